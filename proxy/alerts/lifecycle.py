"""The life of an alert, and of a notice: what one channel has to tell about alerts."""

from proxy.lives import Life

SEEN, RAISED, STILL, CLEARED = "seen", "raised", "still", "cleared"

ALERT = Life(
    first=SEEN,
    moves={
        "raise": ((SEEN,), RAISED),
        "told": ((RAISED,), STILL),
        "worsen": ((RAISED, STILL), RAISED),
        "clear": ((RAISED, STILL), CLEARED),
    },
)
"""What was seen and is gone before it was raised leaves no trace: its row is removed."""

WAITING, CLAIMED, TOLD, GIVEN_UP = "waiting", "claimed", "told", "given up"

NOTICE = Life(
    first=WAITING,
    moves={
        "claim": ((WAITING,), CLAIMED),
        "told": ((CLAIMED,), TOLD),
        "later": ((CLAIMED,), WAITING),
        "rescue": ((CLAIMED,), WAITING),
        "give up": ((WAITING, CLAIMED), GIVEN_UP),
        "again": ((GIVEN_UP,), WAITING),
    },
)
