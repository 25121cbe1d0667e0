"""All rules, in the order of the documentation (docs/alerts.md)."""

from typing import Final

from proxy.alerts.findings import Rule
from proxy.alerts.rules import (
    audit,
    backend,
    books,
    certificates,
    destinations,
    disks,
    ourselves,
    quarantine,
    retention,
    studies,
)

RULES: Final[tuple[Rule, ...]] = (
    *books.RULES,
    *disks.RULES,
    *destinations.RULES,
    *studies.RULES,
    *quarantine.RULES,
    *backend.RULES,
    *certificates.RULES,
    *retention.RULES,
    *audit.RULES,
    *ourselves.RULES,
)
BLIND: Final = ourselves.BLIND
BY_NAME: Final = {rule.name: rule for rule in (*RULES, BLIND)}
