"""Tokens with which a program acts for somebody of the site's own people.

A token is 256 random bits, shown once. Its digest finds it in one look, so nothing is compared that time could tell.
Making and revoking one leaves a mark, and so does its first use on a day.
"""

import hashlib
import secrets
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User
from django.db import transaction

from proxy.audit import actions
from proxy.audit.record import record
from proxy.staff.models import Token

PREFIX: Final = "pst_"  # so that scanners of source code know one when they see it
LONGEST: Final = 200  # characters


def make(user: User, name: str, until: datetime, by: str, now: datetime) -> tuple[Token, str]:
    """The token's row, and the token, which nobody can be told again."""
    shown = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        row = Token.objects.create(user=user, name=name, digest=_digest(shown), made_at=now, until=until)
        _mark(actions.ACCESS_GIVEN, row, by)
    return row, shown


def revoke(row: Token, by: str, now: datetime) -> bool:
    """False: it was revoked before."""
    with transaction.atomic():
        done = bool(Token.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=now))
        if done:
            _mark(actions.ACCESS_WITHDRAWN, row, by)
    return done


def whose(presented: str, now: datetime) -> Token | None:
    """None: we know no such token, it is over, or its user may not come in any more."""
    if not presented.startswith(PREFIX) or len(presented) > LONGEST:
        return None
    rows = Token.objects.select_related("user").filter(
        digest=_digest(presented), revoked_at=None, until__gt=now
    )
    row = rows.filter(user__is_active=True, user__is_staff=True).first()
    if row is not None:
        _used(row, now)
    return row


def _used(row: Token, now: datetime) -> None:
    if row.used_on == now.date():
        return
    with transaction.atomic():
        if Token.objects.filter(pk=row.pk).exclude(used_on=now.date()).update(used_on=now.date()):
            _mark(actions.ACCESS_USED, row, row.user.get_username())


def _digest(shown: str) -> str:
    return hashlib.sha256(shown.encode()).hexdigest()


def _mark(action: str, row: Token, by: str) -> None:
    subject = f"user {row.user.get_username()}"
    record(action, actor=by, subject=subject, detail={"token": row.pk, "until": row.until.date().isoformat()})
