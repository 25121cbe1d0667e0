"""Seals opened, for images that come back as they were sent."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from django.db import transaction

from proxy import sql
from proxy.audit import actions
from proxy.vault import seals
from proxy.vault.models import Person, Seal
from proxy.vault.pseudonyms import Known, known_by
from proxy.vault.reidentify.asking import VIEW, Principal, allowed, mark
from proxy.vault.reidentify.identity import living
from proxy.vault.seals import Forgotten


@dataclass(frozen=True, slots=True)
class Opened:
    """What restoring one instance needs: the seal's plain bytes and the person's keys."""

    known: Known
    plain: bytes = field(repr=False)


def restore_instance(principal: Principal, sop_uid: str, project_id: int, purpose: str) -> Opened:
    return restore_instances(principal, [sop_uid], project_id, purpose)[sop_uid]


def restore_instances(
    principal: Principal, sop_uids: Sequence[str], project_id: int, purpose: str
) -> dict[str, Opened]:
    """All or none; one mark for each person whose images these are."""
    allowed(principal, VIEW, f"{len(sop_uids)} instances", project_id, purpose)
    with transaction.atomic():
        opened = {uid: _opened(row) for uid, row in _seals(project_id, sop_uids).items()}
        for pseudonym, count in _counted(opened.values()).items():
            more = {"instances": count}
            mark(principal, actions.INSTANCE_RESTORED, pseudonym, project_id, purpose, more=more)
    return opened


def restoring(
    principal: Principal, sop_uids: Mapping[str, Collection[str]], project_id: int, purpose: str
) -> Callable[[Collection[str]], Callable[[str], Opened]]:
    """Marks for whoever these are (pseudonym -> instances), and what then reads the seals of some of them.

    The marks come first: an image that leaves while the next is opened has been looked at already. What is returned
    gives what opens them one by one, which raises NoSeal (for any other instance, too), Forgotten, SealBroken,
    KeysMissing.
    """
    allowed(principal, VIEW, f"{sum(map(len, sop_uids.values()))} instances", project_id, purpose)
    with transaction.atomic():
        for pseudonym, uids in sop_uids.items():
            more = {"instances": len(uids)}
            mark(principal, actions.INSTANCE_RESTORED, pseudonym, project_id, purpose, more=more)
    return _reader(project_id, frozenset(chain.from_iterable(sop_uids.values())))


def restoring_in_turn(
    principal: Principal, pseudonym: str, sop_uids: Collection[str], project_id: int, purpose: str
) -> Callable[[Collection[str]], Callable[[str], Opened]]:
    """As `restoring` for the images of one person."""
    allowed(principal, VIEW, pseudonym, project_id, purpose)
    more: dict[str, int | str] = {"instances": len(sop_uids)}
    mark(principal, actions.INSTANCE_RESTORED, pseudonym, project_id, purpose, more=more)
    return _reader(project_id, frozenset(sop_uids))


def _reader(project_id: int, marked: frozenset[str]) -> Callable[[Collection[str]], Callable[[str], Opened]]:
    """A person's key is unwrapped once; whether they live, is asked whenever seals are read."""
    handles: dict[int, Known] = {}

    def read(sop_uids: Collection[str]) -> Callable[[str], Opened]:
        rows = {row.sop_uid: row for row in seals.find(project_id, sorted(marked.intersection(sop_uids)))}
        alive = _living_of({row.person_id for row in rows.values()})
        new = alive - handles.keys()
        for person in Person.objects.filter(pk__in=new) if new else ():
            handles[person.pk] = known_by(person)
        return partial(_open, rows, {pk: handles[pk] for pk in alive if pk in handles})

    return read


def _living_of(person_ids: Collection[int]) -> set[int]:
    ids = sorted(person_ids)
    statement = f"SELECT id FROM vault_person WHERE id IN ({sql.marks(ids)}) AND forgotten_at IS NULL"  # noqa: S608
    return {pk for (pk,) in sql.ask(statement, *ids)} if ids else set()


def _open(rows: Mapping[str, seals.Found], handles: Mapping[int, Known], uid: str) -> Opened:
    """Asks the database for nothing more: any thread may call it."""
    if uid not in rows:
        raise seals.NoSeal("There is no seal for this instance, or no mark was left for it.")
    known = handles.get(rows[uid].person_id)
    if known is None:
        raise Forgotten("This person was forgotten.")
    return Opened(known, seals.open_for(known, rows[uid]))


def _seals(project_id: int, sop_uids: Iterable[str]) -> dict[str, Seal]:
    wanted = set(sop_uids)
    found = found_seals(project_id, wanted)
    if wanted - set(found):
        raise seals.NoSeal("There is no seal for one of these instances.")
    return found


def found_seals(project_id: int, sop_uids: Collection[str]) -> dict[str, Seal]:
    rows = Seal.objects.select_related("person").filter(project_id=project_id, sop_uid__in=sop_uids)
    return {row.sop_uid: row for row in rows}


def _opened(seal: Seal) -> Opened:
    return Opened(known_by(living(seal.person)), seals.open_row(seal))


def _counted(opened: Iterable[Opened]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in opened:
        counts[one.known.pseudonym] = counts.get(one.known.pseudonym, 0) + 1
    return counts
