"""Tokens of persons on site. Of a token only its digest is kept: whoever reads the table can use none."""

from django.conf import settings
from django.db import models


class Token(models.Model):
    """May do what its user may, until a day; a program that shall do less gets a user of its own."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=64, help_text="What it is for, such as monitoring.")
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of what was shown once.")
    made_at = models.DateTimeField()
    until = models.DateTimeField()
    used_on = models.DateField(null=True, blank=True, help_text="The day on which it was last used.")
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"token {self.pk} ({self.name})"
