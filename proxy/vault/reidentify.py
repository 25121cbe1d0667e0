"""The one way back. Who may, says why, and leaves a mark in the same transaction.

A refusal leaves its mark too. Call these outside of a transaction of your own: a mark that is rolled back
with somebody else's trouble would be a look that nobody sees. What was forgotten stays so.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import chain
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from proxy import sql
from proxy.audit import actions
from proxy.audit.recent import persons_seen
from proxy.audit.record import Mark, record, record_all
from proxy.deid import identifiers
from proxy.storage.errors import SealBroken
from proxy.vault import approvals, seals, tokens
from proxy.vault.keyring import current
from proxy.vault.models import Person, Seal, UidPair
from proxy.vault.projects import project_key
from proxy.vault.pseudonyms import (
    Known,
    data_key,
    family_of,
    find_person,
    identity_context,
    known_all,
    known_by,
)
from proxy.vault.remembered import Remembered
from proxy.vault.seals import Forgotten

VIEW: Final = "vault.view_identity"
FORGET: Final = "vault.forget_person"
HOUR: Final = timedelta(hours=1)
PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, and what they may: a user, an API key, a node with its grant, a command's caller."""

    name: str
    may: Callable[[str], bool] = field(repr=False)
    unlimited: bool = False  # the house itself, which looks for nobody's eyes
    watched: frozenset[int] = frozenset()  # projects in which a second person must approve


@dataclass(frozen=True, slots=True, repr=False)
class Identity:
    """Who a pseudonym is. Shows nothing of itself."""

    pseudonym: str
    issuer: str
    patient_id: str
    values: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Identity({self.pseudonym})"


_identities: Remembered[bytes, Identity] = Remembered(50_000, 300.0)
_OF_IDENTITY: Final = ("project_id", "pseudonym", "wrapped_key", "identity")
_LIVING: Final = (
    f"SELECT {', '.join(_OF_IDENTITY)} FROM vault_person"  # noqa: S608 - our own names
    " WHERE project_id = %s AND forgotten_at IS NULL"
)


@dataclass(frozen=True, slots=True)
class Opened:
    """What restoring one instance needs: the seal's plain bytes and the person's keys."""

    known: Known
    plain: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Behind:
    """What stands behind a result: seals of the images it refers to, and other UIDs as they were."""

    instances: Collection[str]  # pseudonymous SOP Instance UIDs of those images
    opened: Callable[[], Iterator[tuple[str, Opened]]] = field(repr=False)  # one after the other
    uids: Mapping[str, str] = field(repr=False)  # pseudonymous to original
    renamed: "Identity | None" = field(
        default=None, repr=False
    )  # of whom the hospital says another Patient ID by now


@dataclass(frozen=True, slots=True, repr=False)
class Look:
    """A look at many, to compare and to answer; made by `looking_among`.

    That there was one leaves a mark, with the first answer or at its end (`over`), and so does everybody who is
    answered: `mark` comes before the answer leaves.
    """

    principal: Principal
    projects: frozenset[int]
    purpose: str
    _unsaid: list[dict[str, Any]] = field(default_factory=list)

    def identities(self, project_id: int, pseudonyms: Collection[str] | None = None) -> Iterator[Identity]:
        """Of those of these who live, or of all; their rows are read each time, and only the new ones decrypted."""
        self._within(project_id)
        with closing(_living_rows(project_id, pseudonyms)) as rows:
            for row in rows:
                token = bytes(row[-1])
                identity = _identities.get(token)
                if identity is None:
                    identity = _identity(Person(**dict(zip(_OF_IDENTITY, row, strict=True))))
                    _identities.put(token, identity)
                yield identity

    def seals(self, project_id: int, sop_uids: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Plain; of those that there are, of persons who live. Raises KeysMissing."""
        self._within(project_id)
        found = _found(project_id, set(sop_uids))
        persons = {seal.person_id: seal.person for seal in found.values()}
        handles = known_all(one for one in persons.values() if one.forgotten_at is None)
        for uid, seal in found.items():
            if seal.person_id in handles:
                try:
                    yield uid, seals.open_for(handles[seal.person_id], seal)
                except SealBroken:
                    continue  # `doctor` finds it

    def mark(self, persons: Collection[tuple[int, str]]) -> None:
        """These (project, pseudonym) are about to be answered. Raises NotAllowed where that is too much for an hour."""
        self._spare({pseudonym for _, pseudonym in persons})
        for project_id in {project_id for project_id, _ in persons}:
            self._within(project_id)
        self._say(
            [
                Mark(
                    actions.IDENTITY_FOUND,
                    self.principal.name,
                    pseudonym,
                    self.purpose,
                    {"project": project_id},
                )
                for project_id, pseudonym in sorted(persons)
            ]
        )

    def over(self) -> None:
        """To be called whatever became of it."""
        self._say([])

    def _say(self, found: list[Mark]) -> None:
        """Together with that there was a look, unless that was said before."""
        actor, purpose = self.principal.name, self.purpose
        asked = [Mark(actions.IDENTITIES_QUERIED, actor, "", purpose, detail) for detail in self._unsaid]
        if asked or found:
            record_all(asked + found)
            self._unsaid.clear()

    def _spare(self, pseudonyms: Collection[str]) -> None:
        most = settings.IDENTITY_PERSONS_PER_HOUR
        if not most or self.principal.unlimited:
            return
        others = persons_seen(self.principal.name, timezone.now() - HOUR, pseudonyms)
        if others + len(pseudonyms) > most:
            detail = {"projects": sorted(self.projects), "why": _too_many(most)}
            record(actions.IDENTITY_REFUSED, actor=self.principal.name, purpose=self.purpose, detail=detail)
            raise NotAllowed(f"This look was refused: {_too_many(most)}.")

    def _within(self, project_id: int) -> None:
        if project_id not in self.projects:
            raise NotAllowed("This look does not reach so far.")


class NotAllowed(Exception):
    """The asker's fault: no permission, or no purpose given."""

    status = 0x0124


class Unknown(LookupError):
    """Nobody of that pseudonym, or nothing of that UID, in this project."""

    status = 0x0110


def identity_of(principal: Principal, pseudonym: str, project_id: int, purpose: str) -> Identity:
    allowed(principal, VIEW, pseudonym, project_id, purpose)
    with _looking(principal, actions.IDENTITY_VIEWED, pseudonym, project_id, purpose):
        return _identity(_person(project_id, pseudonym))


def looking_among(
    principal: Principal, project_ids: Collection[int], purpose: str, asked: Mapping[str, Any]
) -> Look:
    """For a query of a standing grant; `asked` says for the mark what was asked about, in keywords, without values."""
    for project_id in sorted(project_ids):
        allowed(principal, VIEW, "a query", project_id, purpose)
    detail = {"projects": sorted(project_ids), **asked}
    return Look(principal, frozenset(project_ids), purpose, [detail])


def original_uid(principal: Principal, uid: str, project_id: int, purpose: str) -> str:
    """What a study's, series' or frame of reference's pseudonymous UID was."""
    allowed(principal, VIEW, uid, project_id, purpose)
    with _looking(principal, actions.UID_VIEWED, uid, project_id, purpose):
        return seals.open_pair(_pair(project_id, uid))


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
            _mark(
                principal,
                actions.INSTANCE_RESTORED,
                pseudonym,
                project_id,
                purpose,
                more={"instances": count},
            )
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
            _mark(principal, actions.INSTANCE_RESTORED, pseudonym, project_id, purpose, more=more)
    return _reader(project_id, frozenset(chain.from_iterable(sop_uids.values())))


def restoring_in_turn(
    principal: Principal, pseudonym: str, sop_uids: Collection[str], project_id: int, purpose: str
) -> Callable[[Collection[str]], Callable[[str], Opened]]:
    """As `restoring` for the images of one person."""
    allowed(principal, VIEW, pseudonym, project_id, purpose)
    more: dict[str, int | str] = {"instances": len(sop_uids)}
    _mark(principal, actions.INSTANCE_RESTORED, pseudonym, project_id, purpose, more=more)
    return _reader(project_id, frozenset(sop_uids))


def _reader(project_id: int, marked: frozenset[str]) -> Callable[[Collection[str]], Callable[[str], Opened]]:
    """A person's key is unwrapped once; whether they live, is asked whenever seals are read."""
    handles: dict[int, Known] = {}

    def read(sop_uids: Collection[str]) -> Callable[[str], Opened]:
        rows = {row.sop_uid: row for row in seals.find(project_id, sorted(marked.intersection(sop_uids)))}
        living = _living_of({row.person_id for row in rows.values()})
        for person in (
            Person.objects.filter(pk__in=living - handles.keys()) if living - handles.keys() else ()
        ):
            handles[person.pk] = known_by(person)
        return partial(_open, rows, {pk: handles[pk] for pk in living if pk in handles})

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


def behind_result(
    principal: Principal, result: str, pseudonym: str, uids: Collection[str], project_id: int, purpose: str
) -> Behind:
    """What `uids`, which a result mentions, were: all that are of this person, under whatever of their pseudonyms.

    `result` is its own SOP Instance UID, made outside. One mark for each pseudonym comes before any seal is opened.
    Raises Unknown, Forgotten, SealBroken, the last also while seals are opened.
    """
    allowed(principal, VIEW, pseudonym, project_id, purpose)
    with transaction.atomic():
        person = _living(_person(project_id, pseudonym))
        family = family_of(known_by(person))
        renamed = _renamed(person, family)
        handles = {person.pk: known_by(person) for person in family}
        rows = _of_family(Seal.objects.defer("token"), family, "sop_uid", uids)
        owners = {row.sop_uid: handles[row.person_id].pseudonym for row in rows}
        pairs = {row.uid: seals.open_pair(row) for row in _of_family(UidPair.objects, family, "uid", uids)}
        counts = {pseudonym: 0, **({renamed.pseudonym: 0} if renamed else {}), **Counter(owners.values())}
        for one, count in counts.items():
            more: dict[str, int | str] = {"result": result, "instances": count}
            _mark(principal, actions.RESULT_BROUGHT_HOME, one, project_id, purpose, more=more)

    def opened() -> Iterator[tuple[str, Opened]]:
        for row in _of_family(Seal.objects, family, "sop_uid", owners):
            known = handles[row.person_id]
            yield row.sop_uid, Opened(known, seals.open_for(known, row))

    return Behind(owners.keys(), opened, pairs, renamed)


def _renamed(person: Person, family: Collection[Person]) -> Identity | None:
    """Whose Patient ID counts, if not that of the images: after a merge the survivor's, else their own, corrected."""
    bearer = next((one for one in family if one.pk == person.family), person)
    if bearer.pk == person.pk and not person.former_ids.exists():
        return None
    return _identity(bearer)


def pseudonym_of(
    principal: Principal, project_id: int, *, issuer: str, patient_id: str, purpose: str, study_key: str = ""
) -> str:
    """The pseudonym of an original Patient ID, for whoever stands with the original in hand."""
    allowed(principal, VIEW, "a Patient ID", project_id, purpose)
    known = find_person(project_id, issuer, patient_id, study_key)
    subject = known.pseudonym if known else "nobody"
    _mark(principal, actions.PSEUDONYM_LOOKED_UP, subject, project_id, purpose)
    if known is None:
        raise Unknown("Nobody with this Patient ID is known in this project.")
    return known.pseudonym


def pseudonymous_uid(principal: Principal, project_id: int, original: str, purpose: str) -> str:
    """What became of an original study, series or instance UID."""
    allowed(principal, VIEW, "an original UID", project_id, purpose)
    found = next((uid for uid in _candidates(project_id, original) if _is_held(project_id, uid)), None)
    _mark(principal, actions.PSEUDONYM_LOOKED_UP, found or "nothing", project_id, purpose)
    if found is None:
        raise Unknown("Nothing with this UID is known in this project.")
    return found


@contextmanager
def _looking(
    principal: Principal, action: str, subject: str, project_id: int, purpose: str
) -> Iterator[None]:
    """The look and its mark in one transaction; the answer leaves only after its commit."""
    with transaction.atomic():
        yield
        _mark(principal, action, subject, project_id, purpose)


def _mark(
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


def allowed(principal: Principal, permission: str, subject: str, project_id: int, purpose: str) -> None:
    """Raises NotAllowed, after leaving a mark, unless they may, say why, and are not at it all day."""
    why = _objection(principal, permission, purpose) or _unapproved(principal, project_id, purpose)
    if not why:
        return
    detail = {"project": project_id, "why": why}
    record(actions.IDENTITY_REFUSED, actor=principal.name, subject=subject, purpose=purpose, detail=detail)
    raise NotAllowed(f"This look was refused: {why}.")


def _objection(principal: Principal, permission: str, purpose: str) -> str:
    if not principal.may(permission):
        return f"without {permission}"
    if not purpose.strip():
        return "no purpose given"
    most = settings.IDENTITY_PERSONS_PER_HOUR
    if most and not principal.unlimited and persons_seen(principal.name, timezone.now() - HOUR) >= most:
        return _too_many(most)
    return ""


def _too_many(most: int) -> str:
    return f"{most} persons within an hour are the limit; wait, or raise IDENTITY_PERSONS_PER_HOUR"


def _unapproved(principal: Principal, project_id: int, purpose: str) -> str:
    if project_id not in principal.watched or approvals.is_approved(project_id, principal.name, purpose):
        return ""
    number = approvals.asked(project_id, principal.name, purpose)
    return f"a second person has to approve; this is request {number}, ask again with the same purpose then"


def _living_rows(project_id: int, pseudonyms: Collection[str] | None) -> Generator[sql.Row, None, None]:
    if pseudonyms is None:
        yield from sql.stream(_LIVING, project_id)
    else:
        yield from sql.ask(f"{_LIVING} AND {sql.among('pseudonym')}", project_id, sql.packed(pseudonyms))


def _person(project_id: int, pseudonym: str) -> Person:
    person = Person.objects.filter(project_id=project_id, pseudonym=pseudonym).first()
    if person is None:
        raise Unknown("Nobody of that pseudonym is known in this project.")
    if person.forgotten_at is not None:
        raise Forgotten("This person was forgotten.")
    return person


def _identity(person: Person) -> Identity:
    context = identity_context(person.project_id, person.pseudonym)
    plain = tokens.decrypt(data_key(current(), person), context, person.identity or b"")
    values: dict[str, str] = json.loads(plain)
    issuer, patient_id = values.pop("issuer"), values.pop("patient_id")
    return Identity(person.pseudonym, issuer, patient_id, values)


def _pair(project_id: int, uid: str) -> UidPair:
    """Several persons may stand behind one UID (a shared frame of reference); all say the same."""
    pairs = UidPair.objects.select_related("person").filter(project_id=project_id, uid=uid)
    living = pairs.filter(person__forgotten_at__isnull=True).first()
    if pair := living or pairs.first():
        return pair
    raise Unknown("Nothing with this UID is known in this project.")


def _seals(project_id: int, sop_uids: Iterable[str]) -> dict[str, Seal]:
    wanted = set(sop_uids)
    found = _found(project_id, wanted)
    if wanted - set(found):
        raise seals.NoSeal("There is no seal for one of these instances.")
    return found


def _of_family(rows: Any, family: list[Person], column: str, uids: Collection[str]) -> Iterator[Any]:
    wanted = sorted(uids)
    for at in range(0, len(wanted), PAGE):
        page = {f"{column}__in": wanted[at : at + PAGE]}
        yield from rows.select_related("person").filter(person__in=family, **page)


def _found(project_id: int, sop_uids: Collection[str]) -> dict[str, Seal]:
    rows = Seal.objects.select_related("person").filter(project_id=project_id, sop_uid__in=sop_uids)
    return {row.sop_uid: row for row in rows}


def _opened(seal: Seal) -> Opened:
    return Opened(known_by(_living(seal.person)), seals.open_row(seal))


def _living(person: Person) -> Person:
    if person.forgotten_at is not None:
        raise Forgotten("This person was forgotten.")
    return person


def _counted(opened: Iterable[Opened]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in opened:
        counts[one.known.pseudonym] = counts.get(one.known.pseudonym, 0) + 1
    return counts


def _candidates(project_id: int, original: str) -> Iterator[str]:
    """One for each generation that anybody in this project has reached."""
    key = project_key(project_id)
    generations = Person.objects.filter(project_id=project_id).values_list("generation", flat=True)
    for generation in generations.distinct().order_by("generation"):
        yield identifiers.map_uid(identifiers.subject_uid_key(key, generation), original)


def _is_held(project_id: int, uid: str) -> bool:
    return (
        UidPair.objects.filter(project_id=project_id, uid=uid).exists()
        or Seal.objects.filter(project_id=project_id, sop_uid=uid).exists()
    )
