"""Requests for storage commitment. Which images are meant, only the vault knows: their UIDs are the sender's own."""

from django.db import models
from django.db.models import Q

from proxy.retrieval.lifecycle import LIFE
from proxy.routing.models import Node


class Commitment(models.Model):
    node = models.ForeignKey(Node, on_delete=models.PROTECT)
    transaction = models.CharField(max_length=64, help_text="Keyed digest of the Transaction UID.")
    is_reused = models.BooleanField(default=False, help_text="Its Transaction UID was used before.")
    memo = models.BigIntegerField(help_text="Where the vault keeps what was asked.")
    state = models.CharField(max_length=16, choices=LIFE.choices, default=LIFE.first)
    asked_at = models.DateTimeField()
    until = models.DateTimeField(help_text="When we stop waiting for deliveries, and for the asker.")
    next_try_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveIntegerField(default=0)
    asked = models.PositiveIntegerField(help_text="Images.")
    committed = models.PositiveIntegerField(default=0)
    told_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=255, blank=True, default="")

    class Meta:
        constraints = [
            LIFE.check("commitment_state_known"),
            models.UniqueConstraint(
                fields=["node", "transaction"], condition=Q(is_reused=False), name="one_use_of_a_transaction"
            ),
        ]
        indexes = [
            models.Index(fields=["next_try_at"], condition=Q(state="waiting"), name="commitment_waiting")
        ]

    def __str__(self) -> str:
        return f"{self.node_id} at {self.asked_at}"
