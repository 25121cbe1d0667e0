"""The life of a held image. Nothing leaves quarantine without a person, or a proof that it is a duplicate.

What a rule of its route excludes is discarded when it comes: it waits for nobody.
"""

from proxy.lives import Life

HELD, RELEASED, DISCARDED, DUPLICATE, EXPIRED = "held", "released", "discarded", "duplicate", "expired"

LIFE = Life(
    first=HELD,
    moves={
        "release": ((HELD,), RELEASED),
        "discard": ((HELD,), DISCARDED),
        "hold again": ((DISCARDED,), HELD),
        "same": ((HELD,), DUPLICATE),
        "expire": ((HELD,), EXPIRED),
    },
)
