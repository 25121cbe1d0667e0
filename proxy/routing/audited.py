"""Every change of the configuration leaves a mark."""

from proxy.audit.actions import CONFIGURATION_CHANGED
from proxy.audit.record import record


def tell(actor: str, sentences: list[str], subject: str = "site") -> None:
    """Write the entry; call it last in the transaction that changes something, because it locks the chain."""
    record(CONFIGURATION_CHANGED, actor=actor, subject=subject, detail={"changes": sentences})
