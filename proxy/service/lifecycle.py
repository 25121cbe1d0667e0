"""The life of a job, which an answer under an Idempotency-Key has too: the words of its table and its arrows."""

from typing import Final

from proxy.lives import Life

RUNNING, DONE, FAILED, GONE = "running", "done", "failed", "gone"

LIFE: Final = Life(
    first=RUNNING,
    moves={
        "finish": ((RUNNING,), DONE),
        "fail": ((RUNNING,), FAILED),
        "rescue": ((RUNNING,), FAILED),
        "again": ((FAILED,), RUNNING),
        "let go": ((DONE,), GONE),
    },
)
