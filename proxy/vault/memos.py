"""What must be remembered for a while, may name somebody, and belongs to no person: sealed under the master keys."""

from proxy.vault.keyring import current
from proxy.vault.models import Memo


def keep(context: str, content: bytes) -> int:
    """Its number. It opens for the same context only."""
    return Memo.objects.create(wrapped=current().wrap(context, content)).pk


def read(number: int, context: str) -> bytes:
    """Raises KeysMissing, and Memo.DoesNotExist once it was dropped."""
    return current().unwrap(context, Memo.objects.get(pk=number).wrapped)


def drop(number: int) -> None:
    Memo.objects.filter(pk=number).delete()
