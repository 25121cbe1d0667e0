"""The life of a study's revision (DESIGN 4). A late image opens the next revision and changes no other."""

from proxy.lives import Life

RECEIVING, COMPLETE, REVIEW = "receiving", "complete", "review"
RELEASED, REJECTED, DELIVERED, EXPIRED = "released", "rejected", "delivered", "expired"
EXCLUDED = "excluded"

LIFE = Life(
    first=RECEIVING,
    moves={
        "quiet": ((RECEIVING,), COMPLETE),
        "ask": ((COMPLETE,), REVIEW),
        "release": ((COMPLETE,), RELEASED),
        "approve": ((REVIEW,), RELEASED),
        "reject": ((REVIEW,), REJECTED),
        "reconsider": ((REJECTED,), REVIEW),
        "exclude": ((RECEIVING, COMPLETE, REVIEW, REJECTED, RELEASED), EXCLUDED),
        "include": ((EXCLUDED,), RELEASED),
        "delivered": ((RELEASED,), DELIVERED),
        "resend": ((DELIVERED,), RELEASED),
        "expire": ((DELIVERED, REJECTED, EXCLUDED), EXPIRED),
    },
)
