"""The key of a project: random, made once, wrapped in the vault. Pseudonyms, UIDs and shifts come from it."""

import base64
import hmac
import secrets
from collections.abc import Callable
from typing import Final

from cryptography.fernet import Fernet, InvalidToken

from proxy import sql
from proxy.storage.errors import SealBroken
from proxy.vault.keyring import Keyring, KeysMissing, current
from proxy.vault.models import ProjectKey

Wrap = Callable[[bytes], bytes]


def project_key(project_id: int) -> bytes:
    """Read from the database each time, so that no process ever works with a key that was never committed."""
    ring = current()
    [(wrapped, check_mac)] = sql.ask(_KEY, project_id) or _make(ring, project_id)
    if not hmac.compare_digest(check_mac, ring.check_mac(project_id)):
        raise KeysMissing("index.key is not the one this vault was made with; put it back from escrow.")
    return ring.unwrap(_context(project_id), wrapped)


def wrapping(project_id: int) -> tuple[Wrap, Wrap]:
    """(wrap, unwrap) for data keys of sealed files that belong to a project and to no known person."""
    fernet = Fernet(base64.urlsafe_b64encode(hmac.digest(project_key(project_id), b"files", "sha256")))

    def unwrap(token: bytes) -> bytes:
        try:
            return fernet.decrypt(token)
        except InvalidToken:
            raise SealBroken("This file was sealed for another project.") from None

    return fernet.encrypt, unwrap


_KEY: Final = "SELECT wrapped, check_mac FROM vault_projectkey WHERE project_id = %s"


def _make(ring: Keyring, project_id: int) -> list[sql.Row]:
    """Whoever comes first makes it; the others read theirs."""
    wrapped = ring.wrap(_context(project_id), secrets.token_bytes(32))
    fresh = ProjectKey(project_id=project_id, wrapped=wrapped, check_mac=ring.check_mac(project_id))
    ProjectKey.objects.bulk_create([fresh], ignore_conflicts=True)
    return sql.ask(_KEY, project_id)


def _context(project_id: int) -> str:
    return f"project:{project_id}"
