"""Every entry goes to the syslog server, in its order, and none is lost while it cannot be reached.

The chain itself is the queue: a row says up to which entry the server has all. Whoever appends waits for nobody, and a
server that is away is tried again after a pause that grows. What was sent and not known to have arrived is sent again:
each message carries its number.
"""

import os
import secrets
import socket
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from proxy.audit import syslog
from proxy.audit.messages import message
from proxy.audit.models import Entry, Forwarding
from proxy.audit.syslog import NotSent, Server
from proxy.waits import doubled

SEND_EVERY: Final = 2.0  # seconds
AT_ONCE: Final = 200
LEASE: Final = timedelta(minutes=5)
PAUSE, PAUSE_MAX = timedelta(seconds=5), timedelta(minutes=15)
APP: Final = "postern"
SYSLOG: Final = "syslog"


def server() -> Server | None:
    """As the settings say; None: nothing is sent."""
    if not settings.AUDIT_SYSLOG:
        return None
    host, _, port = settings.AUDIT_SYSLOG.rpartition(":")
    files = settings.AUDIT_SYSLOG_AUTHORITIES, settings.AUDIT_SYSLOG_CERTIFICATE, settings.AUDIT_SYSLOG_KEY
    return Server(host.strip("[]"), int(port), *files)


def look(now: datetime, going: Callable[[], bool] = lambda: True) -> int:
    """Send what is waiting; how many entries. Of several processes one does it at a time."""
    to = server()
    if to is None or not _waiting(_row().up_to) or not (token := _claim(now)):
        return 0
    sent = 0
    try:
        while going() and (batch := _waiting(_row().up_to)):
            syslog.send(to, [_frame(entry) for entry in batch])
            if not (moved := _sent(token, batch)):
                break
            sent += moved
        _let_go(token, tries=0, reason="", next_try_at=None)
    except NotSent as trouble:
        tries = _row().tries + 1
        _let_go(token, tries=tries, reason=str(trouble), next_try_at=now + pause(tries))
    return sent


def unsent_after() -> int | None:
    """Entries behind this one may not leave yet; None: nobody waits for them."""
    return _row().up_to if settings.AUDIT_SYSLOG else None


def begin_again_after(count: int) -> None:
    """The numbers behind this one are given to other entries: send them. Whoever is sending now has lost its claim."""
    ahead = Forwarding.objects.filter(name=SYSLOG, up_to__gt=count)
    ahead.update(up_to=count, token="", lease_until=None)


def standing() -> tuple[int, str]:
    """How many entries wait, and why; an empty reason while nothing is wrong."""
    row = _row()
    return Entry.objects.filter(sequence__gt=row.up_to).count(), row.reason


def waiting_since() -> datetime | None:
    """When the oldest entry that the server does not have was made."""
    first = _waiting(_row().up_to)[:1]
    return first[0].at if first else None


def pause(tries: int) -> timedelta:
    return doubled(PAUSE, PAUSE_MAX, tries)


def _row() -> Forwarding:
    found = Forwarding.objects.filter(name=SYSLOG).first()
    return found or Forwarding.objects.get_or_create(name=SYSLOG)[0]


def _waiting(after: int) -> Sequence[Entry]:
    return list(Entry.objects.filter(sequence__gt=after).order_by("sequence")[:AT_ONCE])


def _claim(now: datetime) -> str:
    free = Q(lease_until=None) | Q(lease_until__lte=now)
    due = Q(next_try_at=None) | Q(next_try_at__lte=now) | Q(next_try_at__gt=now + PAUSE_MAX)
    token = secrets.token_hex(16)
    mine = Forwarding.objects.filter(free, due, name=SYSLOG)
    return token if mine.update(token=token, lease_until=now + LEASE) else ""


def _sent(token: str, batch: Sequence[Entry]) -> int:
    """Only while the claim holds; else somebody else sends the same again."""
    now = timezone.now()
    mine = Forwarding.objects.filter(name=SYSLOG, token=token)
    moved = mine.update(up_to=batch[-1].sequence, sent_at=now, lease_until=now + LEASE)
    return len(batch) if moved else 0


def _let_go(token: str, **said: object) -> None:
    mine = Forwarding.objects.filter(name=SYSLOG, token=token)
    mine.update(token="", lease_until=None, **said)


def _frame(entry: Entry) -> bytes:
    source = settings.DICOM_AE_TITLE
    return syslog.frame(message(entry, source), entry.at, socket.gethostname(), APP, str(os.getpid()))
