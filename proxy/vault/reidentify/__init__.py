"""The one way back. Who may, says why, and leaves a mark in the same transaction.

A refusal leaves its mark too. Call these outside of a transaction of your own: a mark that is rolled back
with somebody else's trouble would be a look that nobody sees. What was forgotten stays so.

`asking` lets in or refuses; `naming` answers one question, `comparing` a query among many, `opening` gives images
back as they were sent, and `behind` what a result was made of. The rest of the house imports from here alone.
"""

from proxy.vault.reidentify.asking import (
    FORGET,
    VIEW,
    NotAllowed,
    Principal,
    TooMany,
    Unapproved,
    allowed,
    must_have_room,
)
from proxy.vault.reidentify.behind import Behind, behind_result
from proxy.vault.reidentify.comparing import Look, looking_among
from proxy.vault.reidentify.identity import Identity, Unknown
from proxy.vault.reidentify.naming import identity_of, original_uid, pseudonym_of, pseudonymous_uid
from proxy.vault.reidentify.opening import (
    Opened,
    restore_instance,
    restore_instances,
    restoring,
    restoring_in_turn,
)

__all__ = [
    "FORGET",
    "VIEW",
    "Behind",
    "Identity",
    "Look",
    "NotAllowed",
    "Opened",
    "Principal",
    "TooMany",
    "Unapproved",
    "Unknown",
    "allowed",
    "behind_result",
    "identity_of",
    "looking_among",
    "must_have_room",
    "original_uid",
    "pseudonym_of",
    "pseudonymous_uid",
    "restore_instance",
    "restore_instances",
    "restoring",
    "restoring_in_turn",
]
