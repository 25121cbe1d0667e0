"""Storage commitment on our durable state: what was asked is a row before it is answered, and so is what was told.

A commitment lets the sender delete its image, so it is given for nothing but an image of this very sender that is in
the index and on the disk, and, where its route says so, with every destination. What is in quarantine, discarded,
forgotten or expired is not ours to answer for. The UIDs in a request are the sender's own: the vault keeps them until
the result was heard, and the look-up goes by what they are called here.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from proxy import sql
from proxy.network.asking import (
    CLASS_CONFLICT,
    DUPLICATE_TRANSACTION,
    NO_SUCH_INSTANCE,
    PROCESSING_FAILURE,
    RESOURCE_LIMITATION,
    SUCCESS,
    Asked,
    Reference,
    Result,
)
from proxy.retrieval.lifecycle import LIFE, WAITING
from proxy.retrieval.models import Commitment
from proxy.routing.models import Route
from proxy.studies.lifecycle import EXPIRED
from proxy.studies.models import Instance, Revision
from proxy.vault import memos, uids
from proxy.vault.keyring import current

MOST_WAITING = 1_000  # requests of one node
FIRST_CALL = timedelta(seconds=5)  # until then the association on which it was asked may still stand
LEASE = timedelta(seconds=120)
AGAIN, LONGEST = timedelta(seconds=15), timedelta(hours=1)
PAGE = 500
NOT_YET = "Not every destination has every image yet."

Place = tuple[int, int]  # revision and ordinal
Arrivals = Callable[[Iterable[Place]], Mapping[Place, str]]


@dataclass(frozen=True, slots=True)
class Facts:
    """What of an instance decides whether we answer for it."""

    id: int
    sop_class: str
    commit_when: str
    place: Place
    is_here: bool  # on the disk, neither expired nor forgotten


def judge(facts: Facts | None, sop_class: str, arrival: str, late: bool) -> int | None:
    """0 to commit, a failure reason, or None while it cannot be said."""
    if facts is None or not facts.is_here:
        return NO_SUCH_INSTANCE
    if facts.sop_class != sop_class:
        return CLASS_CONFLICT
    if facts.commit_when == Route.STORED:
        return SUCCESS
    if facts.commit_when == Route.NEVER or arrival == "given up":
        return PROCESSING_FAILURE
    if arrival == "arrived":
        return SUCCESS
    return PROCESSING_FAILURE if late else None


@dataclass(frozen=True, slots=True)
class Commitments:
    """`arrivals` says of images whether every destination has them: the rooms of deliveries know."""

    arrivals: Arrivals

    # --- asked ------------------------------------------------------------------------------------

    def asked(self, node_id: int, asked: Asked) -> int:
        """The status of the N-ACTION-RSP. Raises what the database or the keys raise when they are away."""
        mine = Commitment.objects.filter(node_id=node_id)
        if mine.filter(state=WAITING).count() >= MOST_WAITING:
            return RESOURCE_LIMITATION
        now = timezone.now()
        mac = current().blind(0, f"transaction:{node_id}:{asked.transaction}")
        with transaction.atomic():
            Commitment.objects.create(
                node_id=node_id,
                transaction=mac,
                is_reused=mine.filter(transaction=mac).exists(),
                memo=memos.keep(_context(node_id), _written(asked)),
                asked_at=now,
                until=now + timedelta(hours=settings.COMMITMENT_PATIENCE),
                next_try_at=now + FIRST_CALL,
                asked=len(asked.references),
            )
        return SUCCESS

    # --- due --------------------------------------------------------------------------------------

    def due_on_association(self, node_id: int) -> Result | None:
        """For this node, on an association that stands."""
        return self._first_final(Commitment.objects.filter(node_id=node_id), timezone.now())

    def due_by_call(self, now: datetime) -> Iterator[tuple[Commitment, Result]]:
        """Those whose askers are to be called now."""
        for row in _free(_due(now), now) if _ANY_DUE.any(now) else ():
            if (result := self._claimed(row, now)) is not None:
                yield row, result

    def _first_final(self, rows: "QuerySet[Commitment]", now: datetime) -> Result | None:
        for row in _free(rows, now):
            if (result := self._claimed(row, now)) is not None:
                return result
        return None

    def _claimed(self, row: Commitment, now: datetime) -> Result | None:
        """The final result, ours to tell for the time of a lease; None if it is not final, or somebody was faster."""
        free = Commitment.objects.filter(_unleased(now), pk=row.pk, state=WAITING)
        if not free.update(lease_until=now + LEASE):
            return None
        result = self._result(row, now)
        if result is None:
            _let_go(row, next_try_at=now + AGAIN, reason=NOT_YET)
        return result

    def _result(self, row: Commitment, now: datetime) -> Result | None:
        asked = _read(memos.read(row.memo, _context(row.node_id)))
        if row.is_reused:
            return Result(
                row.pk, asked.transaction, (), tuple((one, DUPLICATE_TRANSACTION) for one in asked.references)
            )
        found = facts_of(row.node_id, asked.references)
        arrivals = self.arrivals({one.place for one in found.values() if one.commit_when == Route.DELIVERED})
        committed, failed = [], []
        for one in asked.references:
            facts = found.get(one.sop_instance)
            arrival = arrivals.get(facts.place, "") if facts else ""
            reason = judge(facts, one.sop_class, arrival, late=now >= row.until)
            if reason is None:
                return None
            failed.append((one, reason)) if reason else committed.append(one)
        kept = _keep_for_the_term([found[one.sop_instance] for one in committed], now)
        late = [(one, NO_SUCH_INSTANCE) for one in committed if found[one.sop_instance].place[0] not in kept]
        committed = [one for one in committed if found[one.sop_instance].place[0] in kept]
        return Result(row.pk, asked.transaction, tuple(committed), (*failed, *late))

    # --- told -------------------------------------------------------------------------------------

    @staticmethod
    def told(result: Result, heard: bool, why: str = "") -> None:
        """Heard: it is over. Else the asker is called again, later each time, until our patience ends."""
        now = timezone.now()
        row = Commitment.objects.get(pk=result.key)
        mine = Commitment.objects.filter(pk=row.pk)
        if heard:
            with transaction.atomic():
                counts = {
                    "committed": len(result.committed),
                    "told_at": now,
                    "lease_until": None,
                    "reason": "",
                }
                if LIFE.move(mine, "told", **counts):
                    memos.drop(row.memo)
        elif now >= row.until:
            LIFE.move(mine, "give up", lease_until=None, reason=why[:255])
        else:
            pause = min(AGAIN * 2 ** min(row.tries, 10), LONGEST)
            _let_go(row, next_try_at=now + pause, tries=row.tries + 1, reason=why[:255])


def ask_again(row: Commitment) -> bool:
    """A person wants the asker to be called once more."""
    now = timezone.now()
    until = now + timedelta(hours=settings.COMMITMENT_PATIENCE)
    mine = Commitment.objects.filter(pk=row.pk)
    return bool(LIFE.move(mine, "again", until=until, next_try_at=now, tries=0))


def facts_of(node_id: int, references: Iterable[Reference]) -> Mapping[str, Facts]:
    """By original SOP Instance UID, of those that this node has sent and the index holds."""
    wanted = list(dict.fromkeys(one.sop_instance for one in references))
    found: dict[str, Facts] = {}
    for project_id in Route.objects.order_by().values_list("project_id", flat=True).distinct():
        names = uids.names_of(project_id, [uid for uid in wanted if uid not in found])
        rows = list(_instances(node_id, project_id, list(names)))
        gone = uids.forgotten(project_id, {row.revision.study.patient for row in rows})
        found |= {names[row.uid]: _facts(row, gone) for row in rows}
    return found


def _instances(node_id: int, project_id: int, names: list[str]) -> Iterator[Instance]:
    rows = Instance.objects.filter(node_id=node_id, project_id=project_id, expired=0)
    rows = rows.select_related("revision__route", "revision__study")
    for at in range(0, len(names), PAGE):
        yield from rows.filter(uid__in=names[at : at + PAGE])


def _facts(row: Instance, gone: set[str]) -> Facts:
    file = Path(settings.DICOM_STORAGE_DIR) / "studies" / row.path
    is_here = row.revision.state != EXPIRED and row.revision.study.patient not in gone and file.is_file()
    return Facts(
        row.pk, row.sop_class, row.revision.route.commit_when, (row.revision_id, row.ordinal), is_here
    )


def _keep_for_the_term(facts: Sequence[Facts], now: datetime) -> set[int]:
    """Before it is told: whoever hears it may delete theirs at once. The revisions whose images are kept: retention
    may have been faster, and looks at the term under the same locks."""
    until = now + timedelta(days=settings.COMMITMENT_TERM)
    with transaction.atomic():
        wanted = Revision.objects.filter(pk__in={one.place[0] for one in facts})
        locked = wanted.select_for_update(no_key=True).order_by("pk")
        kept = {pk for pk, state in locked.values_list("pk", "state") if state != EXPIRED}
        ids = [one.id for one in facts if one.place[0] in kept]
        for at in range(0, len(ids), PAGE):
            Instance.objects.filter(pk__in=ids[at : at + PAGE]).update(committed_until=until)
    return kept


def _unleased(now: datetime) -> Q:
    return Q(lease_until=None) | Q(lease_until__lt=now)


def _due(now: datetime) -> "QuerySet[Commitment]":
    return Commitment.objects.filter(next_try_at__lte=now, state=WAITING)


_ANY_DUE: Final = sql.Standing(_due)


def _free(rows: "QuerySet[Commitment]", now: datetime) -> list[Commitment]:
    waiting = rows.filter(_unleased(now), state=WAITING).select_related("node")
    return list(waiting.order_by("next_try_at")[:50])


def _let_go(row: Commitment, **changes: object) -> None:
    Commitment.objects.filter(pk=row.pk, state=WAITING).update(lease_until=None, **changes)


def _context(node_id: int) -> str:
    return f"commitment:{node_id}"


def _written(asked: Asked) -> bytes:
    return json.dumps(
        [asked.transaction, [[one.sop_class, one.sop_instance] for one in asked.references]]
    ).encode()


def _read(written: bytes) -> Asked:
    transaction_uid, pairs = json.loads(written)
    return Asked(transaction_uid, tuple(Reference(*pair) for pair in pairs))
