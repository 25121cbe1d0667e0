"""The index: what we hold, pseudonymous only. Nothing here can name the vault."""

from django.db import models
from django.db.models import Q

from proxy.routing.models import Destination, Node, Project, Route
from proxy.studies.lifecycle import LIFE


def _text(most: int, help_text: str = "") -> "models.CharField[str, str]":
    """Empty where nothing is known."""
    return models.CharField(max_length=most, blank=True, default="", db_default="", help_text=help_text)


def _nested() -> "models.TextField[str, str]":
    return models.TextField(
        blank=True, default="", db_default="", help_text="What of a sequence is kept, as JSON (nested.py)."
    )


class Study(models.Model):
    project = models.ForeignKey(Project, on_delete=models.PROTECT)
    uid = models.CharField(max_length=64)
    patient = models.CharField(
        max_length=64, db_index=True, help_text="Pseudonym: Patient ID and name alike."
    )
    birth_date = models.CharField(max_length=8, blank=True, default="")
    sex = models.CharField(max_length=16, blank=True, default="")
    date = models.CharField(
        max_length=8, blank=True, default="", db_index=True, help_text="As the recipe left it."
    )
    time = models.CharField(max_length=16, blank=True, default="")
    accession = models.CharField(max_length=64, blank=True, default="", db_index=True)
    description = models.CharField(max_length=255, blank=True, default="")
    study_id = models.CharField(max_length=64, blank=True, default="")
    issuer = _text(64, "Of the Patient ID; empty where the recipe removes it.")
    referring = _text(255, "Referring physician, where the recipe keeps the name.")
    age = _text(4)
    patient_size = _text(16)
    patient_weight = _text(16)
    timezone = _text(16, "Offset from UTC of the times of its first image.")
    procedure_codes = _nested()
    received_at = models.DateTimeField(db_index=True)
    held_at = models.DateTimeField(null=True, blank=True, help_text="Only a person sets a held study free.")
    held_reason = models.CharField(max_length=255, blank=True, default="")
    excludes = models.BooleanField(
        default=False, db_default=False, help_text="Some of its series were excluded once."
    )

    class Meta:
        verbose_name_plural = "studies"
        constraints = [models.UniqueConstraint(fields=["project", "uid"], name="one_study_for_a_uid")]
        indexes = [models.Index(fields=["held_at"], condition=Q(held_at__isnull=False), name="study_held")]

    def __str__(self) -> str:
        return self.uid

    @property
    def is_held(self) -> bool:
        return self.held_at is not None


class Revision(models.Model):
    """What arrived of a study on one route between two silences; it is released and delivered as one.

    What arrives of a series that is excluded there has a revision of its own, which is never released.
    """

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="revisions")
    route = models.ForeignKey(Route, on_delete=models.PROTECT)
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=16, choices=LIFE.choices, default=LIFE.first)
    opened_at = models.DateTimeField()
    quiet_at = models.DateTimeField(
        help_text="Complete if nothing arrives until then; moves with each image."
    )
    released_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When it was delivered everywhere, or rejected: its retention begins.",
    )
    look_at = models.DateTimeField(
        null=True, blank=True, help_text="When retention looks at it next, once it is delivered."
    )
    files_gone_at = models.DateTimeField(
        null=True, blank=True, help_text="It has expired, and its last file was removed."
    )
    seals_gone_at = models.DateTimeField(
        null=True, blank=True, help_text="Its images cannot be restored any more."
    )
    total = models.PositiveIntegerField(default=0, help_text="Instances; the next one's ordinal.")
    series = models.ForeignKey(
        "Series",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="set_aside",
        help_text="It holds images of this series alone, which was excluded when they came, or later.",
    )
    destinations = models.ManyToManyField(
        Destination, blank=True, help_text="Bound when the revision was opened."
    )
    evidence = models.CharField(
        max_length=255,
        blank=True,
        default="",
        help_text="Below the folder of evidence; empty until it is made.",
    )

    class Meta:
        constraints = [
            LIFE.check("revision_state_known"),
            models.UniqueConstraint(fields=["study", "number"], name="one_revision_for_a_number"),
            models.UniqueConstraint(
                fields=["study", "route"],
                condition=Q(state="receiving", series=None),
                name="one_open_revision_for_a_route",
            ),
            models.UniqueConstraint(
                fields=["study", "route", "series"],
                condition=Q(state="receiving", series__isnull=False),
                name="one_open_revision_for_an_excluded_series",
            ),
        ]
        indexes = [
            models.Index(fields=["quiet_at"], condition=Q(state="receiving"), name="revision_due"),
            models.Index(fields=["quiet_at"], condition=Q(state="complete"), name="revision_to_release"),
            models.Index(fields=["quiet_at"], condition=Q(state="released"), name="revision_to_open"),
            models.Index(fields=["quiet_at"], condition=Q(state="review"), name="revision_to_review"),
            models.Index(fields=["opened_at"], name="revision_by_day"),
            models.Index(
                fields=["state"], condition=~Q(state__in=["delivered", "expired"]), name="revision_alive"
            ),
            models.Index(fields=["look_at"], condition=Q(state="delivered"), name="revision_kept"),
            models.Index(
                fields=["ended_at"], condition=Q(state="expired", files_gone_at=None), name="revision_going"
            ),
            models.Index(
                fields=["ended_at"], condition=Q(state="expired", seals_gone_at=None), name="revision_sealed"
            ),
            models.Index(
                fields=["released_at"],
                condition=Q(evidence="", released_at__isnull=False),
                name="revision_to_attest",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.study_id}/{self.number}"


class PacsCount(models.Model):
    """What the PACS of its route said of a revision's study, once the revision was quiet (completeness.py)."""

    revision = models.OneToOneField(Revision, on_delete=models.PROTECT, related_name="pacs_count")
    node = models.ForeignKey(Node, on_delete=models.PROTECT)
    total = models.PositiveIntegerField(help_text="Images of the revision when this began.")
    since = models.DateTimeField(help_text="Quiet since; patience counts from here.")
    next_at = models.DateTimeField(help_text="When it is asked next.")
    asked = models.PositiveIntegerField(default=0, help_text="Answers heard since then.")
    asked_at = models.DateTimeField(null=True, blank=True, help_text="When it answered last.")
    said = models.PositiveIntegerField(null=True, blank=True, help_text="Images the PACS has of the study.")
    here = models.PositiveIntegerField(null=True, blank=True, help_text="Those of them that came here.")
    not_taken = models.PositiveIntegerField(default=0, help_text="Those of a kind that is not accepted here.")
    trouble = models.CharField(max_length=255, blank=True, default="", help_text="Why it could not be asked.")
    settled_at = models.DateTimeField(null=True, blank=True, help_text="The revision waits no longer.")

    class Meta:
        verbose_name = "count of a PACS"
        verbose_name_plural = "counts of PACS"
        indexes = [models.Index(fields=["next_at"], condition=Q(settled_at=None), name="count_to_ask")]

    def __str__(self) -> str:
        return f"{self.revision_id} at {self.node_id}"


class Series(models.Model):
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="series")
    uid = models.CharField(max_length=64)
    modality = models.CharField(max_length=16, blank=True, default="")
    number = models.CharField(max_length=16, blank=True, default="")
    date = models.CharField(max_length=8, blank=True, default="")
    time = models.CharField(max_length=16, blank=True, default="")
    description = models.CharField(max_length=255, blank=True, default="")
    body_part = models.CharField(max_length=16, blank=True, default="")
    laterality = _text(16)
    performed_date = _text(8, "When its procedure step began.")
    performed_time = _text(16)
    performed_id = _text(16)
    protocol = _text(64)
    institution = _text(64)
    manufacturer = _text(64)
    model = _text(64)
    station = _text(16)
    anatomic_region = _nested()
    request_attributes = _nested()
    excluded = models.BooleanField(
        default=False, db_default=False, help_text="It does not leave, by one route at least: see why."
    )

    class Meta:
        verbose_name_plural = "series"
        constraints = [models.UniqueConstraint(fields=["study", "uid"], name="one_series_for_a_uid")]
        indexes = [models.Index(fields=["uid"], name="series_by_uid")]  # asked for without its study

    def __str__(self) -> str:
        return self.uid


class Exclusion(models.Model):
    """Why a series does not leave by a route: a rule of the site, or a person, who speaks for all routes."""

    series = models.ForeignKey(Series, on_delete=models.PROTECT, related_name="exclusions")
    route = models.ForeignKey(Route, on_delete=models.PROTECT)
    rule = models.CharField(max_length=64, blank=True, default="", help_text="Empty: a person decided.")
    by = models.CharField(max_length=150, blank=True, default="", help_text="Whoever decided.")
    comment = models.CharField(max_length=255, blank=True, default="")
    made_at = models.DateTimeField()
    lifted_at = models.DateTimeField(
        null=True, blank=True, help_text="A person has included the series again, whatever the rule says."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["series", "route"], name="one_exclusion_for_series_and_route")
        ]

    def __str__(self) -> str:
        return f"{self.series_id} by {self.rule or self.by}"


class Treatment(models.Model):
    """What de-identification did, without a single value. Images of a series share one, so each is kept once."""

    digest = models.CharField(max_length=32, primary_key=True, help_text="Of its content.")
    content = models.JSONField(help_text="Recipe, counts of actions by attribute, gates.")

    def __str__(self) -> str:
        return self.digest


class Instance(models.Model):
    project = models.ForeignKey(Project, on_delete=models.PROTECT)
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="instances")
    series = models.ForeignKey(Series, on_delete=models.PROTECT, related_name="instances")
    ordinal = models.PositiveIntegerField(
        help_text="Place in its revision, from 0: the bit in a delivery's progress."
    )
    uid = models.CharField(max_length=64)
    sop_class = models.CharField(max_length=64)
    transfer_syntax = models.CharField(max_length=64)
    number = models.CharField(max_length=16, blank=True, default="")
    path = models.CharField(max_length=255, unique=True, help_text="Below the storage folder.")
    size = models.BigIntegerField(help_text="Bytes of the file.")
    pixel_rows = _text(5)
    pixel_columns = _text(5)
    bits = _text(5, "Bits allocated for each value of a pixel.")
    frames = _text(12, "Empty where there is one.")
    header_mac = models.CharField(max_length=64, help_text="Keyed digest of what was sent, less its pixels.")
    bulk_digest = models.CharField(max_length=64, help_text="SHA-256 of the pixel data as it came.")
    treatment = models.ForeignKey(
        Treatment,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        db_index=False,
        help_text="What was done to it; none if an earlier version received it.",
    )
    node = models.ForeignKey(Node, null=True, blank=True, on_delete=models.PROTECT)
    received_at = models.DateTimeField(db_index=True)
    committed_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Its sender was told that we keep it so long, and may have deleted it.",
    )
    expired = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="0 while it is here; its own number once it has expired, so that the image may come again.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "uid", "expired"], name="one_instance_for_a_uid"),
            models.UniqueConstraint(fields=["revision", "ordinal"], name="one_instance_for_an_ordinal"),
        ]

    def __str__(self) -> str:
        return self.uid
