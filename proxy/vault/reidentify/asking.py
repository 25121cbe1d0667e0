"""Who asks, whether they may, and the mark that it leaves: a refusal leaves one too."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.utils import timezone

from proxy.audit import actions
from proxy.audit.recent import persons_seen
from proxy.audit.record import record
from proxy.vault import approvals

VIEW: Final = "vault.view_identity"
FORGET: Final = "vault.forget_person"
HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, and what they may: a user, an API key, a node with its grant, a command's caller."""

    name: str
    may: Callable[[str], bool] = field(repr=False)
    unlimited: bool = False  # the house itself, which looks for nobody's eyes
    watched: frozenset[int] = frozenset()  # projects in which a second person must approve
    account: str = ""  # how the name begins, where what follows in parentheses may change


class NotAllowed(Exception):
    """The asker's fault: no permission, or no purpose given."""

    status = 0x0124


class Unapproved(NotAllowed):
    """A second person has to say yes first."""


class TooMany(NotAllowed):
    """As many persons within an hour as one asker may look up; `recent.room_at` says when there is room again."""


def allowed(principal: Principal, permission: str, subject: str, project_id: int, purpose: str) -> None:
    """Raises NotAllowed, after leaving a mark, unless they may, say why, and are not at it all day."""
    refusal = _objection(principal, permission, purpose) or _unapproved(principal, project_id, purpose)
    if refusal is None:
        return
    kind, why = refusal
    detail = {"project": project_id, "why": why}
    record(actions.IDENTITY_REFUSED, actor=principal.name, subject=subject, purpose=purpose, detail=detail)
    raise kind(f"This look was refused: {why}.")


Refusal = tuple[type[NotAllowed], str] | None


def _objection(principal: Principal, permission: str, purpose: str) -> Refusal:
    if not principal.may(permission):
        return NotAllowed, f"without {permission}"
    if not purpose.strip():
        return NotAllowed, "no purpose given"
    most = settings.IDENTITY_PERSONS_PER_HOUR
    if most and not principal.unlimited and _seen(principal) >= most:
        return TooMany, too_many(most)
    return None


def must_have_room(
    principal: Principal, pseudonyms: Collection[str], purpose: str, detail: Mapping[str, Any]
) -> None:
    """Raises TooMany, after leaving a mark, where these are more than are left of the hour; whom they have looked
    behind already is counted once."""
    most = settings.IDENTITY_PERSONS_PER_HOUR
    if not most or principal.unlimited or _is_room(principal, pseudonyms, most):
        return
    said = {**detail, "why": too_many(most)}
    record(actions.IDENTITY_REFUSED, actor=principal.name, purpose=purpose, detail=said)
    raise TooMany(f"This look was refused: {too_many(most)}.")


def _is_room(principal: Principal, pseudonyms: Collection[str], most: int) -> bool:
    left = most - len(pseudonyms)
    return left >= 0 and _seen(principal, pseudonyms) <= left


def _seen(principal: Principal, besides: Collection[str] = ()) -> int:
    return persons_seen(principal.name, timezone.now() - HOUR, besides, principal.account)


def too_many(most: int) -> str:
    return f"{most} persons within an hour are the limit; wait, or raise IDENTITY_PERSONS_PER_HOUR"


def _unapproved(principal: Principal, project_id: int, purpose: str) -> Refusal:
    if project_id not in principal.watched or approvals.is_approved(project_id, principal.name, purpose):
        return None
    number = approvals.asked(project_id, principal.name, purpose)
    return (
        Unapproved,
        f"a second person has to approve; this is request {number}, ask again with the same purpose then",
    )


def mark(
    principal: Principal,
    action: str,
    subject: str,
    project_id: int,
    purpose: str,
    *,
    more: Mapping[str, int | str] | None = None,
) -> None:
    detail = {"project": project_id, **(more or {})}
    record(action, actor=principal.name, subject=subject, purpose=purpose, detail=detail)
