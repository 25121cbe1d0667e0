"""The queue is a table: a delivery is claimed by one conditional update and forgets nothing it achieved."""

from django.db import models
from django.db.models import F, Q

from proxy.deliveries.lifecycle import LIFE
from proxy.routing.models import Destination
from proxy.studies.models import Revision


class Priority(models.IntegerChoices):
    """The order in which deliveries of a destination have their turn; among equals, the one due for longest."""

    URGENT = 0
    ROUTINE = 1
    BULK = 2


class Delivery(models.Model):
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="deliveries")
    destination = models.ForeignKey(Destination, on_delete=models.PROTECT, related_name="deliveries")
    state = models.CharField(max_length=16, choices=LIFE.choices, default=LIFE.first)
    priority = models.PositiveSmallIntegerField(
        choices=Priority.choices, default=Priority.ROUTINE, help_text="Of its route when it was opened."
    )
    token = models.CharField(max_length=32, blank=True, default="", help_text="Of the claim that holds it.")
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField()
    reason = models.CharField(max_length=255, blank=True, default="")
    receipt = models.CharField(
        max_length=64,
        blank=True,
        default="",
        help_text="What the destination calls it, if it gives it a name.",
    )
    total = models.PositiveIntegerField(help_text="Instances of the revision.")
    acknowledged = models.PositiveIntegerField(default=0)
    acks = models.BinaryField(
        default=bytes, blank=True, help_text="A bit for each ordinal that was acknowledged."
    )
    committed = models.PositiveIntegerField(default=0)
    commits = models.BinaryField(
        default=bytes, blank=True, help_text="A bit for each ordinal that the destination commits to keep."
    )
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            LIFE.check("delivery_state_known"),
            models.UniqueConstraint(
                fields=["revision", "destination"], name="one_delivery_for_a_destination"
            ),
            models.CheckConstraint(
                condition=Q(acknowledged__lte=F("total")), name="no_more_acknowledged_than_sent"
            ),
            models.CheckConstraint(condition=Q(priority__in=[0, 1, 2]), name="delivery_priority_known"),
        ]
        indexes = [
            models.Index(
                fields=["destination", "priority", "next_try_at", "id"],
                condition=Q(state="waiting"),
                name="delivery_in_turn",
            ),
            models.Index(fields=["lease_until"], condition=Q(state="claimed"), name="delivery_claimed"),
            models.Index(fields=["destination", "state"], name="delivery_by_destination"),
        ]

    def __str__(self) -> str:
        return f"{self.revision_id} → {self.destination_id}"


class CommitmentRequest(models.Model):
    """A request for storage commitment that we sent with a delivery, until its result is heard."""

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="commitment_requests")
    transaction = models.CharField(max_length=64, unique=True, help_text="Transaction UID, made by us.")
    asked = models.BinaryField(help_text="A bit for each ordinal that was asked for.")
    asked_at = models.DateTimeField()
    until = models.DateTimeField(help_text="Until then nothing is asked again.")
    heard_at = models.DateTimeField(null=True, blank=True)
    committed = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=255, blank=True, default="", help_text="Why images were refused.")

    class Meta:
        indexes = [models.Index(fields=["delivery", "asked_at"], name="requests_of_a_delivery")]

    def __str__(self) -> str:
        return f"{self.delivery_id} at {self.asked_at}"


class Attempt(models.Model):
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=16, blank=True, default="")
    reason = models.CharField(max_length=255, blank=True, default="")
    acknowledged = models.PositiveIntegerField(default=0, help_text="Instances acknowledged in this attempt.")

    def __str__(self) -> str:
        return f"{self.delivery_id} at {self.started_at}"
