"""On whose behalf a command looks at identities, or decides about a person: a user of the web pages."""

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from proxy.retrieval.askers import asker
from proxy.vault.reidentify import Principal


def acting(username: str) -> Principal:
    """With what this user may. Raises CommandError."""
    user = get_user_model()._default_manager.filter(username=username, is_active=True).first()
    if user is None:
        raise CommandError("There is no such user, or they are not active.")
    return asker(username, user.has_perm)
