"""What leads back to a person, encrypted. No foreign key leads in or out: projects are numbers here.

A token is a Fernet token under the person's data key, which lies wrapped by the master keys in KEY_DIR.
A person without a data key is forgotten: no token of theirs opens again.
"""

from django.db import models
from django.db.models import Q


class ProjectKey(models.Model):
    """The random key that pseudonyms, UIDs and shifts of a project come from."""

    project_id = models.BigIntegerField(unique=True)
    wrapped = models.BinaryField()
    check_mac = models.CharField(
        max_length=64, help_text="Shows whether index.key is still the one we began with."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"project {self.project_id}"


class IssuerAlias(models.Model):
    """Two names of one issuer: `alias` is read as `issuer`, so that one MRN stays one person."""

    project_id = models.BigIntegerField()
    alias = models.CharField(max_length=64)
    issuer = models.CharField(max_length=64)

    class Meta:
        verbose_name_plural = "issuer aliases"
        constraints = [
            models.UniqueConstraint(fields=["project_id", "alias"], name="one_meaning_for_each_alias"),
            models.CheckConstraint(condition=~Q(alias=models.F("issuer")), name="alias_is_another_name"),
        ]

    def __str__(self) -> str:
        return f"{self.alias} → {self.issuer}"


class Memo(models.Model):
    """Something to be remembered for a while that may name somebody; see `memos.py`."""

    wrapped = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"memo {self.pk}"


class Person(models.Model):
    project_id = models.BigIntegerField()
    blind = models.CharField(max_length=64, help_text="Keyed index of issuer and Patient ID.")
    generation = models.PositiveIntegerField(
        default=0, help_text="How often this person was forgotten before."
    )
    pseudonym = models.CharField(max_length=64)
    shift_days = models.IntegerField()
    wrapped_key = models.BinaryField(null=True)
    identity = models.BinaryField(null=True)
    per_study = models.BooleanField(
        default=False, help_text="No usable Patient ID: a person of one study only."
    )
    normal_version = models.PositiveSmallIntegerField()
    family = models.BigIntegerField(
        null=True,
        blank=True,
        db_index=True,
        help_text="Persons whom the hospital found to be one: the one who gets what is new.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    forgotten_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        permissions = [
            ("view_identity", "Can see the identity of a person"),
            ("forget_person", "Can forget a person for good"),
            ("correct_person", "Can merge persons and correct a Patient ID"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["project_id", "pseudonym"], name="one_person_for_each_pseudonym"),
            models.UniqueConstraint(
                fields=["project_id", "blind", "generation"], name="one_person_a_generation"
            ),
            models.UniqueConstraint(
                fields=["project_id", "blind"],
                condition=Q(forgotten_at__isnull=True),
                name="one_living_person_for_each_id",
            ),
            models.CheckConstraint(
                condition=Q(forgotten_at__isnull=True, wrapped_key__isnull=False, identity__isnull=False)
                | Q(forgotten_at__isnull=False, wrapped_key__isnull=True, identity__isnull=True),
                name="forgotten_means_no_key",
            ),
            models.CheckConstraint(condition=~Q(shift_days=0), name="shift_is_never_zero"),
        ]

    def __str__(self) -> str:
        return self.pseudonym


class Approval(models.Model):
    """Somebody wants to look behind pseudonyms of a project that asks for a second person's word."""

    project_id = models.BigIntegerField()
    asker = models.CharField(max_length=255)
    purpose = models.CharField(max_length=1000)
    asked_at = models.DateTimeField()
    approver = models.CharField(max_length=255, blank=True, default="")
    until = models.DateTimeField(null=True, blank=True, help_text="Approved until then.")
    rejected_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        permissions = [("approve_identity", "Can approve that somebody else sees identities")]
        constraints = [
            models.UniqueConstraint(
                fields=["project_id", "asker", "purpose"],
                condition=Q(until=None, rejected_at=None),
                name="one_open_question_of_an_asker",
            ),
            models.CheckConstraint(
                condition=~Q(asker=models.F("approver")), name="approver_is_somebody_else"
            ),
        ]

    def __str__(self) -> str:
        return f"request {self.pk} of {self.asker}"


class FormerId(models.Model):
    """An id that was a person's by mistake: whoever bears it now is somebody else, of a later generation."""

    project_id = models.BigIntegerField()
    blind = models.CharField(max_length=64, help_text="Keyed index of issuer and Patient ID.")
    generation = models.PositiveIntegerField()
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="former_ids")
    corrected_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project_id", "blind", "generation"], name="one_former_id_a_generation"
            )
        ]

    def __str__(self) -> str:
        return f"of person {self.person_id}"


class UidPair(models.Model):
    """A UID that is no instance's and what it was, so that references find the way back."""

    STUDY, SERIES, FRAME, OTHER = "study", "series", "frame", "other"
    KINDS = ((STUDY, "study"), (SERIES, "series"), (FRAME, "frame of reference"), (OTHER, "other"))

    project_id = models.BigIntegerField()
    uid = models.CharField(max_length=64, help_text="Pseudonymous.")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="uid_pairs")
    kind = models.CharField(max_length=8, choices=KINDS)
    token = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project_id", "uid", "person"], name="one_pair_for_uid_and_person"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["study", "series", "frame", "other"]), name="pair_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return self.uid


class StudyKey(models.Model):
    """Keyed index of an accession number or Patient ID, and a study that has it; the value itself lies in the seals."""

    project_id = models.BigIntegerField()
    blind = models.CharField(max_length=64, help_text="Keyed index of accession number or Patient ID.")
    uid = models.CharField(max_length=64, help_text="Pseudonymous study UID.")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="study_keys")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project_id", "blind", "uid"], name="one_study_key_for_a_number")
        ]

    def __str__(self) -> str:
        return self.uid


class Seal(models.Model):
    """What the recipe took from one instance: a token, or a sealed file for a large one; erased: neither."""

    project_id = models.BigIntegerField()
    sop_uid = models.CharField(max_length=64, help_text="Pseudonymous.")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="seals")
    token = models.BinaryField(null=True)
    path = models.CharField(max_length=255, blank=True, default="", help_text="Relative to DATA_DIR/vault.")
    size = models.BigIntegerField(help_text="Bytes on disk or in the row.")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project_id", "sop_uid"], name="one_seal_for_each_instance"),
            models.CheckConstraint(
                condition=Q(token__isnull=True) | Q(path=""), name="seal_lies_in_one_place"
            ),
        ]

    def __str__(self) -> str:
        return self.sop_uid
