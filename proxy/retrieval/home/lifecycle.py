"""The life of a homecoming: one result on its way to one node of the hospital."""

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
