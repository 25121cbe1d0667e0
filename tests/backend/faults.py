"""What the reference backend may do wrong."""

from proxy.management.demo.backend.faults import (
    GOSSIP,
    Deaf,
    Drops,
    Fault,
    Halves,
    Says,
    Slow,
    Trickles,
    typed,
)

__all__ = ["GOSSIP", "Deaf", "Drops", "Fault", "Halves", "Says", "Slow", "Trickles", "typed"]
