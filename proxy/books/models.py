"""What was counted of days that are over."""

from django.db import models

from proxy.routing.models import Destination


class Day(models.Model):
    """A day of the books, in UTC. While it is open, its lines are counted whenever somebody asks."""

    day = models.DateField(unique=True)
    counted_at = models.DateTimeField(null=True, blank=True, db_index=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    quarantined = models.PositiveIntegerField(default=0, help_text="Images of that day in quarantine.")

    class Meta:
        verbose_name = "day of the books"
        verbose_name_plural = "days of the books"
        indexes = [models.Index(fields=["counted_at"], condition=models.Q(closed_at=None), name="day_open")]

    def __str__(self) -> str:
        return f"{self.day}"


class DayLine(models.Model):
    """The account of one destination on a closed day, in images."""

    day = models.ForeignKey(Day, on_delete=models.CASCADE, related_name="lines")
    destination = models.ForeignKey(Destination, on_delete=models.PROTECT, related_name="+")
    received = models.PositiveBigIntegerField(default=0)
    delivered = models.PositiveBigIntegerField(default=0)
    excluded = models.PositiveBigIntegerField(default=0)
    quarantined = models.PositiveBigIntegerField(default=0)
    committed = models.PositiveBigIntegerField(default=0)
    expired = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["day", "destination"], name="one_line_for_a_destination_and_day")
        ]

    def __str__(self) -> str:
        return f"{self.day_id} {self.destination_id}"
