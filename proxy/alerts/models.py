"""What is wrong, who was told, and when each rule has looked. No identity and no pseudonym stands here."""

from django.db import models
from django.db.models import Q

from proxy.alerts.lifecycle import ALERT, NOTICE


class Alert(models.Model):
    """One trouble from the time it is found until it is gone. The next time is another row."""

    rule = models.CharField(max_length=32)
    subject = models.CharField(max_length=100, help_text="What it is about: a destination, a folder, a gate.")
    state = models.CharField(max_length=16, choices=ALERT.choices, default=ALERT.first)
    sentence = models.CharField(max_length=400, help_text="As it was found last.")
    weight = models.PositiveBigIntegerField(default=1, help_text="How bad it is; twice as bad is told again.")
    told_weight = models.PositiveBigIntegerField(default=0, help_text="As it was raised last.")
    found_at = models.DateTimeField(help_text="First.")
    seen_at = models.DateTimeField(help_text="Last.")
    raised_at = models.DateTimeField(null=True, blank=True, help_text="Last, if it became worse.")
    gone_at = models.DateTimeField(null=True, blank=True, help_text="Not found since then; soon cleared.")
    cleared_at = models.DateTimeField(null=True, blank=True)
    cleared_by = models.CharField(max_length=150, blank=True, default="", help_text="Empty: it was gone.")

    class Meta:
        constraints = [
            ALERT.check("alert_state_known"),
            models.UniqueConstraint(
                fields=["rule", "subject"], condition=~Q(state="cleared"), name="one_open_alert_for_a_subject"
            ),
        ]
        indexes = [models.Index(fields=["cleared_at"], name="alert_by_end")]

    def __str__(self) -> str:
        return f"{self.rule}: {self.subject}"


class Notice(models.Model):
    """A message on one channel about what changed in one look."""

    channel = models.CharField(max_length=16)
    state = models.CharField(max_length=16, choices=NOTICE.choices, default=NOTICE.first)
    body = models.JSONField(help_text="What is told; it stays as it is, however often it is tried.")
    token = models.CharField(max_length=32, blank=True, default="", help_text="Of the claim that holds it.")
    lease_until = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveIntegerField(default=0)
    made_at = models.DateTimeField(db_index=True)
    next_try_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=255, blank=True, default="")

    class Meta:
        constraints = [NOTICE.check("notice_state_known")]
        indexes = [
            models.Index(fields=["next_try_at"], condition=Q(state="waiting"), name="notice_waiting"),
            models.Index(fields=["lease_until"], condition=Q(state="claimed"), name="notice_claimed"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.pk}"


class Look(models.Model):
    """When a rule looked, and when it looks next: whoever moves that on is the one who looks."""

    rule = models.CharField(max_length=32, unique=True)
    next_at = models.DateTimeField()
    looked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.rule
