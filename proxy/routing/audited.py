"""Every change of the configuration leaves a mark."""


def tell(actor: str, sentences: list[str]) -> None:
    """Write the entry; call it last in the transaction that changes something, because it locks the chain."""
    from proxy.audit.record import CONFIGURATION_CHANGED, record

    record(CONFIGURATION_CHANGED, actor=actor, subject="site", detail={"changes": sentences})
