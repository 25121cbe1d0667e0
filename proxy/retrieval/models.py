"""What is asked of us, what we ask, and what comes back from outside.

Requests for storage commitment, and pulls: which images or studies are meant, only the vault knows, their UIDs are the
other side's own. Results that were made outside: what is known of them here is pseudonymous, as they are themselves.
"""

from django.db import models
from django.db.models import Q

from proxy.retrieval.home.lifecycle import LIFE as HOMEWARD
from proxy.retrieval.lifecycle import LIFE
from proxy.retrieval.pulls.lifecycle import ITEM, PULL
from proxy.routing.models import Destination, Node, Project, Route


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


class Result(models.Model):
    """An object made outside from images of ours, and the study that it belongs to. It keeps its own UIDs."""

    CERTAINTIES = tuple((word, word) for word in ("instances", "series", "study", "frame", "patient"))

    project = models.ForeignKey(Project, on_delete=models.PROTECT)
    route = models.ForeignKey(Route, on_delete=models.PROTECT)
    node = models.ForeignKey(Node, on_delete=models.PROTECT)
    patient = models.CharField(max_length=64, db_index=True)
    study_uid = models.CharField(max_length=64, db_index=True, help_text="Pseudonymous.")
    certainty = models.CharField(
        max_length=16, choices=CERTAINTIES, help_text="What says that it belongs there."
    )
    uid = models.CharField(max_length=64, help_text="Its own, made outside.")
    series_uid = models.CharField(max_length=64, blank=True, default="", help_text="Its own, made outside.")
    sop_class = models.CharField(max_length=64)
    transfer_syntax = models.CharField(max_length=64)
    destinations = models.ManyToManyField(Destination, help_text="Bound when it came.")
    digest = models.CharField(max_length=64, help_text="Keyed digest of what came.")
    path = models.CharField(max_length=255, unique=True, help_text="Below the folder of results; encrypted.")
    size = models.BigIntegerField(help_text="Bytes of the data set.")
    received_at = models.DateTimeField(db_index=True)
    expired_at = models.DateTimeField(
        null=True, blank=True, help_text="It was home long enough; its file goes, and this row stays."
    )
    file_gone_at = models.DateTimeField(null=True, blank=True, help_text="It has expired, and is removed.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "uid"], name="one_result_for_a_uid")]
        indexes = [
            models.Index(fields=["project", "series_uid"], name="result_by_series"),
            models.Index(fields=["id"], condition=Q(expired_at=None), name="result_here"),
            models.Index(
                fields=["id"], condition=Q(file_gone_at=None) & ~Q(expired_at=None), name="result_going"
            ),
        ]

    def __str__(self) -> str:
        return self.uid


class Homecoming(models.Model):
    """A result on its way to one node of the hospital. It gets its identity in memory, while it is sent."""

    result = models.ForeignKey(Result, on_delete=models.PROTECT, related_name="homecomings")
    destination = models.ForeignKey(Destination, on_delete=models.PROTECT, related_name="homecomings")
    state = models.CharField(max_length=16, choices=HOMEWARD.choices, default=HOMEWARD.first)
    token = models.CharField(max_length=32, blank=True, default="", help_text="Of the claim that holds it.")
    lease_until = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField()
    reason = models.CharField(max_length=255, blank=True, default="")
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            HOMEWARD.check("homecoming_state_known"),
            models.UniqueConstraint(
                fields=["result", "destination"], name="one_homecoming_for_a_destination"
            ),
        ]
        indexes = [
            models.Index(fields=["next_try_at"], condition=Q(state="waiting"), name="homecoming_waiting"),
            models.Index(fields=["lease_until"], condition=Q(state="claimed"), name="homecoming_claimed"),
        ]

    def __str__(self) -> str:
        return f"{self.result_id} → {self.destination_id}"


class Pull(models.Model):
    """Studies asked of a node, to be brought to us or, with `to`, to another node."""

    node = models.ForeignKey(Node, on_delete=models.PROTECT, related_name="pulls")
    to = models.ForeignKey(Node, null=True, blank=True, on_delete=models.PROTECT, related_name="dispatches")
    called_ae = models.CharField(
        max_length=16, help_text="The AE title to bring them to; it decides the route."
    )
    digest = models.CharField(max_length=64, help_text="Keyed digest of what was asked.")
    state = models.CharField(max_length=16, choices=PULL.choices, default=PULL.first)
    by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            PULL.check("pull_state_known"),
            models.UniqueConstraint(
                fields=["digest"],
                condition=Q(state__in=["asking", "fetching", "short"]),
                name="one_open_pull_for_what_is_asked",
            ),
        ]

    def __str__(self) -> str:
        return f"pull {self.pk} from {self.node_id}"


class PullItem(models.Model):
    """A study of a pull."""

    pull = models.ForeignKey(Pull, on_delete=models.CASCADE, related_name="items")
    digest = models.CharField(max_length=64, help_text="Keyed digest of its UID.")
    memo = models.BigIntegerField(
        null=True, blank=True, help_text="Where the vault keeps its UID until it is here."
    )
    state = models.CharField(max_length=16, choices=ITEM.choices, default=ITEM.first)
    said = models.PositiveIntegerField(null=True, blank=True, help_text="Images that the node says it has.")
    arrived = models.PositiveIntegerField(default=0, help_text="Of these, here or brought.")
    left_out = models.PositiveIntegerField(default=0, help_text="Of classes that we do not accept.")
    reason = models.CharField(max_length=255, blank=True, default="")

    class Meta:
        constraints = [
            ITEM.check("pull_item_state_known"),
            models.UniqueConstraint(fields=["pull", "digest"], name="one_study_of_a_pull"),
        ]
        indexes = [models.Index(fields=["pull", "state"], name="pull_item_state")]

    def __str__(self) -> str:
        return f"study {self.pk} of pull {self.pull_id}"
