"""The chain of marks: who looked at what, why and when, each entry bound to the one before by a keyed MAC.

Rows are written by `record()` and by nothing else; `verify()` says what somebody else did to them.
"""

from django.db import models
from django.db.models import Q

MAC = 64  # hexadecimal characters of HMAC-SHA256
GENESIS = "0" * MAC
FIELDS = (
    "sequence", "version", "at", "actor", "action", "subject", "purpose", "detail", "previous", "mac",
)  # fmt: skip
"""What an entry says, in the order of an export: the MAC covers all of it but itself."""


class Entry(models.Model):
    sequence = models.PositiveBigIntegerField(unique=True)
    version = models.PositiveSmallIntegerField(help_text="Of the serialisation that the MAC covers.")
    at = models.DateTimeField(db_index=True)
    actor = models.CharField(max_length=255, help_text="User, API key, node or command that acted.")
    action = models.CharField(max_length=64, db_index=True)
    subject = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_index=True,
        help_text="A pseudonym or object, never an identity.",
    )
    purpose = models.CharField(max_length=1000, blank=True, default="")
    detail = models.JSONField(default=dict, blank=True)
    previous = models.CharField(max_length=MAC)
    mac = models.CharField(max_length=MAC, unique=True)

    class Meta:
        ordering = ["sequence"]
        verbose_name_plural = "entries"
        constraints = [models.CheckConstraint(condition=Q(sequence__gte=1), name="entry_sequence_from_one")]
        indexes = [models.Index(fields=["actor"], name="audit_entry_by_actor")]

    def __str__(self) -> str:
        return f"{self.sequence} {self.action}"


class Head(models.Model):
    """One row: how many entries there are and the last MAC, under a MAC of its own: a cut tail shows."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    count = models.PositiveBigIntegerField(default=0)
    head = models.CharField(max_length=MAC, default=GENESIS)
    mac = models.CharField(max_length=MAC)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="audit_has_one_head")]

    def __str__(self) -> str:
        return f"{self.count} entries"


class LastAnchor(models.Model):
    """The anchor that was written last into each file: one that is not in its file any more was cut out of it."""

    file = models.CharField(max_length=64, primary_key=True)  # a digest of its path
    count = models.PositiveBigIntegerField()
    head = models.CharField(max_length=MAC)
    at = models.CharField(max_length=40)
    mac = models.CharField(max_length=MAC)

    def __str__(self) -> str:
        return f"anchor at {self.count} entries"


class Forwarding(models.Model):
    """Up to which entry another server has all."""

    name = models.CharField(max_length=16, primary_key=True)
    up_to = models.PositiveBigIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveIntegerField(default=0, help_text="In vain, since it last went well.")
    reason = models.CharField(max_length=255, blank=True, default="")
    next_try_at = models.DateTimeField(null=True, blank=True)
    token = models.CharField(max_length=32, blank=True, default="")
    lease_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} up to {self.up_to}"
