"""Images that a gate stopped: the original, encrypted, and why. No identity stands in these rows."""

from django.db import models

from proxy.quarantine.lifecycle import LIFE
from proxy.routing.models import Destination, Node, Project, Route


class HeldItem(models.Model):
    project = models.ForeignKey(Project, on_delete=models.PROTECT)
    route = models.ForeignKey(Route, on_delete=models.PROTECT)
    node = models.ForeignKey(Node, null=True, blank=True, on_delete=models.PROTECT)
    destinations = models.ManyToManyField(Destination, blank=True, help_text="Where it would have gone.")
    state = models.CharField(max_length=16, choices=LIFE.choices, default=LIFE.first)
    code = models.CharField(max_length=64, help_text="The gate: burned-in, conflict, two-persons ...")
    reason = models.CharField(max_length=255)
    patient = models.CharField(max_length=64, blank=True, default="", db_index=True)
    study_uid = models.CharField(max_length=64, blank=True, default="", db_index=True)
    uid = models.CharField(max_length=64, blank=True, default="", db_index=True, help_text="Pseudonymous.")
    sop_class = models.CharField(max_length=64, blank=True, default="")
    transfer_syntax = models.CharField(max_length=64)
    header_mac = models.CharField(max_length=64, blank=True, default="")
    bulk_digest = models.CharField(max_length=64, blank=True, default="")
    path = models.CharField(max_length=255, unique=True, help_text="Below the quarantine folder; encrypted.")
    size = models.BigIntegerField()
    held_at = models.DateTimeField(db_index=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=150, blank=True, default="")
    comment = models.CharField(max_length=255, blank=True, default="")
    goes_at = models.DateTimeField(
        null=True, blank=True, help_text="Retention lets it go then, unless a person decides before."
    )
    file_gone_at = models.DateTimeField(null=True, blank=True, help_text="Its file was removed.")

    class Meta:
        constraints = [
            LIFE.check("held_state_known"),
            models.UniqueConstraint(
                fields=["project", "uid", "header_mac", "bulk_digest", "transfer_syntax"],
                condition=models.Q(state="held") & ~models.Q(uid=""),
                name="the_same_image_is_held_once",
            ),
        ]
        indexes = [
            models.Index(fields=["state"], condition=models.Q(file_gone_at=None), name="held_with_a_file")
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.uid or self.pk}"
