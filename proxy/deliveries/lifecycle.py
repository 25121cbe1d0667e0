"""The life of a delivery: one revision of a study on its way to one destination (DESIGN 4)."""

from proxy.lives import Life

WAITING, CLAIMED, DELIVERED, REFUSED, DROPPED = "waiting", "claimed", "delivered", "refused", "dropped"

LIFE = Life(
    first=WAITING,
    moves={
        "claim": ((WAITING,), CLAIMED),
        "delivered": ((CLAIMED,), DELIVERED),
        "later": ((CLAIMED,), WAITING),
        "rescue": ((CLAIMED,), WAITING),
        "refused": ((CLAIMED,), REFUSED),
        "again": ((REFUSED, DELIVERED, DROPPED), WAITING),
        "drop": ((WAITING, REFUSED), DROPPED),
    },
)
