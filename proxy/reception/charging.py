"""An image that comes into a customer's project counts against the customer's month.

Twice is looked: before any work, whether there is room at all; and in the transaction that makes the image ours, where
it is counted. An image that is in the index then counts, one that is held or refused does not, and the same one again
counts again.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from proxy.tiers import owners, quota
from proxy.tiers.models import Customer
from proxy.tiers.quota import Limit, Refused

COMMENTS: Final = {
    Limit.FILES: "Quota of this month is used up",
    Limit.SIZE: "Image over the limit of the tier",
    Limit.REQUESTS: "Too many at once",
}
OUT_OF_FORCE: Final = Refused(Limit.FILES, "the customer is out of force.", None)


class OverQuota(Exception):
    """The sender may come again when the month is over, or when the customer has another tier."""

    status = 0xA700

    def __init__(self, customer: Customer, refused: Refused, comment: str = "") -> None:
        super().__init__(refused.reason)
        self.comment = comment or COMMENTS[refused.limit]
        self.sentence = f"Images of customer {customer.name} are not taken: {refused.reason}"


def refuse_when_used_up(project_id: int, now: datetime) -> None:
    """Before any work. Raises OverQuota, for a customer out of force too."""
    customer = owners.of_project(project_id)
    if customer is None:
        return
    if customer.is_retired:
        raise OverQuota(customer, OUT_OF_FORCE, "Customer is out of force")
    if refused := quota.has_room(customer, now):
        raise OverQuota(customer, refused)


def charge(images: Iterable[tuple[int, int]], now: datetime) -> None:
    """(project, bytes) of each, in the transaction that stores them: all or none. Raises OverQuota.

    Customers in the order of their numbers, so that two processes never wait for each other in a circle.
    """
    files: Counter[Customer] = Counter()
    sizes: Counter[Customer] = Counter()
    for project_id, size in images:
        customer = owners.of_project(project_id)
        if customer is not None:
            _refuse_if_too_large(customer, size)
            files[customer] += 1
            sizes[customer] += size
    for customer in sorted(files, key=lambda one: one.pk):
        taken = quota.take_many(customer, files[customer], sizes[customer], now)
        if isinstance(taken, Refused):
            raise OverQuota(customer, taken)


def _refuse_if_too_large(customer: Customer, size: int) -> None:
    if size > customer.allows.size:
        raise OverQuota(customer, quota.too_large(customer.allows))
