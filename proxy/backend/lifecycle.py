"""The life of a dispatch: what the backend wants sent home, from its event to the last image."""

from proxy.lives import Life

WAITING, DOWNLOADING, PROCESSING = "waiting", "downloading", "processing"
COMPLETED, FAILED = "completed", "failed"

LIFE = Life(
    first=WAITING,
    moves={
        "claim": ((WAITING,), DOWNLOADING),
        "downloaded": ((DOWNLOADING,), PROCESSING),
        "done": ((PROCESSING,), COMPLETED),
        "later": ((DOWNLOADING, PROCESSING), WAITING),
        "rescue": ((DOWNLOADING, PROCESSING), WAITING),
        "fail": ((DOWNLOADING, PROCESSING), FAILED),
        "give up": ((WAITING, DOWNLOADING, PROCESSING), FAILED),
        "again": ((FAILED, COMPLETED), WAITING),
    },
)
