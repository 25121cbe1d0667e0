"""What each tier allows. This table is the only place that says so; docs/service.md is held against it."""

from dataclasses import dataclass
from typing import Final

FREE, PRO, ANNUAL, ENTERPRISE = "free", "pro", "annual", "enterprise"
MEGABYTE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Tier:
    """`None` is no limit. A month and a minute are those of UTC."""

    name: str
    title: str
    files: int | None  # in a month
    requests: int | None  # in a minute
    size: int  # bytes of one request, or of one image that comes by DICOM
    jobs: bool  # whether they may ask for jobs, whose result they fetch later


ALL: Final = (
    Tier(FREE, "Free", files=50, requests=60, size=256 * MEGABYTE, jobs=False),
    Tier(PRO, "Pro", files=10_000, requests=300, size=2_048 * MEGABYTE, jobs=False),
    Tier(ANNUAL, "Annual", files=10_000, requests=300, size=2_048 * MEGABYTE, jobs=False),
    Tier(ENTERPRISE, "Enterprise", files=None, requests=None, size=20_480 * MEGABYTE, jobs=True),
)
"""From the least to the most."""

TIERS: Final = {tier.name: tier for tier in ALL}
CHOICES: Final = tuple((tier.name, tier.title) for tier in ALL)
PAID: Final = (PRO, ANNUAL)
"""Those that are bought by Checkout. Enterprise is agreed on, and given by a person."""


def most(*names: str) -> str:
    """The one of these tiers that allows most."""
    ranks = [tier.name for tier in ALL]
    return max(names, key=ranks.index)
