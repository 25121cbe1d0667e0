"""The life of a request for storage commitment: it waits until its result is final and was heard."""

from proxy.lives import Life

WAITING, TOLD, UNHEARD = "waiting", "told", "unheard"

LIFE = Life(
    first=WAITING,
    moves={
        "told": ((WAITING,), TOLD),
        "give up": ((WAITING,), UNHEARD),
        "again": ((UNHEARD,), WAITING),
    },
)
