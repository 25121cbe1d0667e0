"""The lives of a pull and of each of its studies. Whoever asks the same again goes on where it stood."""

from proxy.lives import Life

ASKING, FETCHING, FINISHED, SHORT, DROPPED = "asking", "fetching", "finished", "short", "dropped"
WAITING, FETCHED = "waiting", "fetched"

PULL = Life(
    first=ASKING,
    moves={
        "answered": ((ASKING,), FETCHING),
        "finish": ((FETCHING,), FINISHED),
        "fall short": ((FETCHING,), SHORT),
        "again": ((SHORT,), FETCHING),
        "drop": ((ASKING, FETCHING, SHORT), DROPPED),
    },
)

ITEM = Life(
    first=WAITING,
    moves={
        "fetched": ((WAITING,), FETCHED),
        "fall short": ((WAITING,), SHORT),
        "again": ((SHORT,), WAITING),
    },
)
