"""What is remembered of a request whose answer is asked for later, or a second time. Counts, and no person."""

from django.db import models
from django.db.models import Q

from proxy.service.lifecycle import LIFE, RUNNING
from proxy.tiers.models import Customer


class Job(models.Model):
    """`key_mac` and `body_mac` are keyed digests: nobody learns from them what was sent."""

    ANSWER, JOB = "answer", "job"
    KINDS = ((ANSWER, "an answer that can be repeated"), (JOB, "a job"))

    name = models.CharField(max_length=32, unique=True, help_text="Random; by this it is asked for.")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="jobs")
    kind = models.CharField(max_length=8, choices=KINDS)
    state = models.CharField(max_length=8, choices=LIFE.choices, default=RUNNING)
    key_mac = models.CharField(max_length=64, blank=True, default="", help_text="Of the Idempotency-Key.")
    body_mac = models.CharField(max_length=64, blank=True, default="")
    token = models.CharField(max_length=32, help_text="Of whoever works on it.")
    begun_at = models.DateTimeField(db_index=True)
    seen_at = models.DateTimeField(help_text="When whoever works on it last said so.")
    ended_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    received = models.PositiveBigIntegerField(default=0, help_text="Bytes that have come.")
    processed = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    burned_in = models.PositiveIntegerField(default=0)
    mark = models.CharField(max_length=64, blank=True, default="", help_text="The audit's entry.")
    reason = models.CharField(max_length=255, blank=True, default="")
    file = models.CharField(
        max_length=64, blank=True, default="", help_text="The ZIP's name, while it is kept."
    )
    size = models.PositiveBigIntegerField(default=0, help_text="Of the ZIP.")
    tell_at = models.DateTimeField(null=True, blank=True, db_index=True, help_text="The webhook is due then.")
    tell_tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        indexes = [models.Index(fields=["state", "seen_at"], name="service_job_by_state")]
        constraints = [
            LIFE.check("service_job_state"),
            models.CheckConstraint(condition=Q(kind__in=["answer", "job"]), name="service_job_kind"),
            models.UniqueConstraint(
                fields=["customer", "key_mac"], condition=~Q(key_mac=""), name="one_job_for_a_key"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Hook(models.Model):
    """Where a customer wants to be told of jobs that have ended. The secret that signs is wrapped by master keys."""

    customer = models.OneToOneField(Customer, on_delete=models.PROTECT, related_name="hook")
    url = models.CharField(max_length=500)
    secret = models.BinaryField()
    made_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"webhook of {self.customer}"
