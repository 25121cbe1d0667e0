"""The words of the audit: one constant for each act that leaves a mark."""

from typing import Final

IDENTITY_VIEWED: Final = "identity.viewed"
MAP_READ: Final = "identity.map-read"
IDENTITY_REFUSED: Final = "identity.refused"
UID_VIEWED: Final = "identity.uid-viewed"
PSEUDONYM_LOOKED_UP: Final = "identity.pseudonym-looked-up"
IMAGES_GIVEN: Final = "images.given"
IMAGES_REFUSED: Final = "images.refused"
INSTANCE_RESTORED: Final = "identity.instance-restored"
FORGOTTEN: Final = "person.forgotten"
PERSON_MERGED: Final = "person.merged"
PERSON_CORRECTED: Final = "person.corrected"

KEYS_CREATED: Final = "keys.created"
KEYS_ROTATED: Final = "keys.rotated"
KEYS_DROPPED: Final = "keys.dropped"
KEYS_ESCROWED: Final = "keys.escrowed"

CONFIGURATION_CHANGED: Final = "configuration.changed"
BACKED_UP: Final = "backup.made"
RESTORED: Final = "backup.restored"
CHAIN_CONTINUED: Final = "audit.continued-after-damage"

RECEIVED: Final = "study.received"
RELEASED: Final = "study.released"
HELD: Final = "study.held"
REJECTED: Final = "study.rejected"
EXPIRED: Final = "study.expired"
QUARANTINE_DECIDED: Final = "quarantine.decided"
HELD_RELEASED: Final = "quarantine.released"
HELD_DISCARDED: Final = "quarantine.discarded"
DELIVERY_CHANGED: Final = "delivery.changed-by-a-person"

LOGGED_IN: Final = "login.succeeded"
LOGIN_FAILED: Final = "login.failed"
ALERTED: Final = "alert.raised"
