"""Issuers that have two names: an alias is read as the issuer it stands for."""

import time
from collections.abc import Mapping
from typing import Final

from proxy.vault.models import IssuerAlias

FRESH_FOR: Final = 5.0
_known: dict[int, tuple[float, dict[str, str]]] = {}


def canonical(project_id: int, issuer: str) -> str:
    """An alias set by a person counts in every process after some seconds."""
    return follow(_aliases(project_id), issuer)


def follow(aliases: Mapping[str, str], issuer: str) -> str:
    """Aliases of aliases too; a circle ends where it began."""
    seen: set[str] = set()
    while issuer in aliases and issuer not in seen:
        seen.add(issuer)
        issuer = aliases[issuer]
    return issuer


def forget_cache() -> None:
    _known.clear()


def _aliases(project_id: int) -> dict[str, str]:
    now = time.monotonic()
    known = _known.get(project_id)
    if known is None or now - known[0] > FRESH_FOR:
        rows = IssuerAlias.objects.filter(project_id=project_id).values_list("alias", "issuer")
        known = (now, dict(rows))
        _known[project_id] = known
    return known[1]
