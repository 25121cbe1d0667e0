"""Rotate the master keys: every wrapped key is wrapped anew, no pseudonym, UID or token changes.

First the new key stands in front of master.keys, then the rows are wrapped under it, page by page; a crash in
between loses nothing, because the old keys stay until `drop_old_master_keys` has seen that nothing needs them.
With several machines, bring the new file to all of them between the two steps.
"""

from collections.abc import Callable, Iterator
from typing import Final

from django.db import transaction
from django.db.models import Model

from proxy.audit import actions
from proxy.audit.record import record
from proxy.vault.keyring import Keyring, KeysMissing, current
from proxy.vault.wrapped import fields

PAGE: Final = 500
Progress = Callable[[int], None]


def _silent(done: int) -> None:
    pass


def rotate_master_keys(actor: str, purpose: str = "", progress: Progress = _silent) -> int:
    """How many keys were wrapped anew. Without a mark there is no new key."""
    with transaction.atomic():
        record(actions.KEYS_ROTATED, actor=actor, subject="master.keys", purpose=purpose)
        current().rotate_master()
    return rewrap_all(progress)


def rewrap_all(progress: Progress = _silent) -> int:
    """Wrap under the newest master key what is not yet; may run again at any time, beside everything else. After each
    page `progress` hears how many it were."""
    ring, done = current(), 0
    for model, field in fields():
        for some in _rewrapped(ring, model, field):
            done += some
            progress(done)
    return done


def drop_old_master_keys(actor: str, purpose: str = "") -> int:
    """How many old keys went. Raises KeysMissing, and drops nothing, if a row still needs one of them."""
    rewrap_all()
    ring = current()
    for model, field in fields():
        if any(not ring.opens_with_newest(token) for _, token in _pages(model, field)):
            raise KeysMissing("A wrapped key still needs an old master key; rotate again.")
    with transaction.atomic():
        detail = {"dropped": ring.old_masters()}
        record(actions.KEYS_DROPPED, actor=actor, subject="master.keys", purpose=purpose, detail=detail)
        return ring.drop_old_masters()


def _rewrapped(ring: Keyring, model: type[Model], field: str) -> Iterator[int]:
    """How many of each page."""
    old = [(pk, token) for pk, token in _pages(model, field) if not ring.opens_with_newest(token)]
    yield from (_rewrap(ring, model, field, old[at : at + PAGE]) for at in range(0, len(old), PAGE))


def _rewrap(ring: Keyring, model: type[Model], field: str, rows: list[tuple[int, bytes]]) -> int:
    """Only where the token is still the one we read: nobody who was forgotten meanwhile comes back."""
    fresh = [(pk, token, ring.rewrap(token)) for pk, token in rows]
    with transaction.atomic():
        return sum(
            model._default_manager.filter(pk=pk, **{field: token}).update(**{field: anew})
            for pk, token, anew in fresh
        )


def _pages(model: type[Model], field: str) -> Iterator[tuple[int, bytes]]:
    last = 0
    while True:
        rows = model._default_manager.filter(pk__gt=last, **{f"{field}__isnull": False}).order_by("pk")
        page = list(rows.values_list("pk", field)[:PAGE])
        yield from ((pk, bytes(token)) for pk, token in page)
        if not page:
            return
        last = page[-1][0]
