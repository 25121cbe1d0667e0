"""From who somebody is to who they are here: found by blind index, or made in one short transaction.

Two processes that meet a new person at once get one row: the unique constraint lets one win, the other reads.
A process remembers whom it met, and asks the database each time whether they still live, so that nobody who
was forgotten elsewhere is sealed under a key that is gone (a person's second coming is a new generation).
"""

import base64
import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from secrets import token_bytes
from threading import Lock
from typing import Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from proxy import sql
from proxy.deid import Subject, identifiers
from proxy.deid.who import VERSION, Who, normalise, who_is
from proxy.vault import issuers, tokens
from proxy.vault.keyring import Keyring, current
from proxy.vault.models import Person, UidPair
from proxy.vault.projects import project_key

REMEMBERED: Final = 10_000
REMEMBERED_FOR: Final = 600.0
ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class Known:
    """A person as the rest of the house may know them, and the handle of their data key."""

    person_id: int
    project_id: int
    pseudonym: str
    shift_days: int
    generation: int
    per_study: bool
    uid_key: bytes = field(repr=False)
    data_key: bytes = field(repr=False)
    family: int | None = None
    by_former_id: bool = False  # the image bears an id that was theirs by mistake

    @property
    def subject(self) -> Subject:
        """As whom their images leave."""
        return Subject(self.pseudonym, self.shift_days, self.uid_key)

    def wrap(self, key: bytes) -> bytes:
        """For the data key of a sealed file that is to be forgotten with the person."""
        return tokens.encrypt(self.data_key, self._files, key)

    def unwrap(self, token: bytes) -> bytes:
        return tokens.decrypt(self.data_key, self._files, token)

    @property
    def _files(self) -> str:
        return f"file:{self.project_id}:{self.pseudonym}"


@dataclass(frozen=True, slots=True, repr=False)
class Newcomer:
    """Somebody we have not met, on the way to becoming a row. Shows nothing of itself."""

    project_id: int
    who: Who
    blind: str
    identity: Mapping[str, str]
    drawn: bool


class Forgotten(Exception):
    """This person was forgotten: what was sealed for them does not open again, for nobody."""

    status = 0x0110


class Nameless(Exception):
    """The sender's fault: neither a Patient ID nor a study UID, so nobody can say whose image this is."""

    status = 0xC000


HasStudy = Callable[[str, Collection[str]], bool]
"""Whether images of a study wait for a person under this pseudonym, by the UIDs that it may have here."""


class Taken(Exception):
    """Our fault: this pseudonym is another person's, which only tampering or a lost key can bring about."""

    status = 0x0110


def person_for(
    project_id: int,
    issuer: str,
    patient_id: str,
    identity: Mapping[str, str],
    study_key: str,
    *,
    drawn: bool = False,
    has_study: HasStudy = lambda pseudonym, uids: False,
) -> Known:
    """The person behind issuer and Patient ID in this project; `study_key` is the original study UID.

    An id that was somebody's by mistake still leads to them in a study that they have, and in no other.
    A new person's pseudonym and shift are derived from the project's key, or drawn at random for a project
    that asks for it: then even its key does not lead from an id to a pseudonym; they stay as stored.
    Raises KeysMissing, Taken (our fault, 0x0110), Nameless (the sender's, 0xC000) and whatever the
    database raises when it is away.
    """
    ring = current()
    who = who_is(issuers.canonical(project_id, normalise(issuer)), patient_id, study_key)
    if who.per_study and not normalise(study_key):
        raise Nameless("An image without Patient ID needs a Study Instance UID.")
    blind = ring.blind(project_id, who.text)
    if known := _remembered(blind):
        return known
    bearers = _bearers(ring, project_id, blind)
    if owner := _former(ring, bearers.before, normalise(study_key), has_study):
        return owner
    known = bearers.now
    if known is None:
        asked = {**identity, "issuer": issuer, "patient_id": patient_id}
        known = _meet(ring, Newcomer(project_id, who, blind, asked, drawn))
    if known.family is not None:
        return _of_family(ring, known, normalise(study_key))
    if not bearers.before:
        _remember(blind, known)
    return known


def find_person(project_id: int, issuer: str, patient_id: str, study_key: str = "") -> Known | None:
    """As `person_for`, but meets nobody new."""
    ring = current()
    who = who_is(issuers.canonical(project_id, normalise(issuer)), patient_id, study_key)
    return _bearers(ring, project_id, ring.blind(project_id, who.text)).now


def names_of(project_id: int, issuers_: Collection[str], patient_id: str) -> set[str]:
    """Pseudonyms of whoever lives with this Patient ID under one of these issuers, and of whom the hospital found to be
    one with them. By keyed index: nothing is opened for it."""
    ring = current()
    persons = {who_is(issuers.canonical(project_id, normalise(one)), patient_id, "") for one in issuers_}
    found = sql.ask(
        f"SELECT pseudonym, family FROM vault_person WHERE project_id = %s AND {sql.among('blind')}"  # noqa: S608
        " AND forgotten_at IS NULL",
        project_id,
        sql.packed(ring.blind(project_id, one.text) for one in persons),
    )
    return with_families(project_id, found)


def with_families(project_id: int, found: Collection[sql.Row]) -> set[str]:
    """Of (pseudonym, family): these, and everybody living of each family."""
    families = {family for _, family in found} - {None}
    relatives = (
        sql.ask(
            f"SELECT pseudonym FROM vault_person WHERE project_id = %s AND {sql.among('family')}"  # noqa: S608
            " AND forgotten_at IS NULL",
            project_id,
            sql.packed(families),
        )
        if families
        else []
    )
    return {pseudonym for pseudonym, _ in found} | {pseudonym for (pseudonym,) in relatives}


def known_by(person: Person) -> Known:
    """The handle for a row that lives; SealBroken or KeysMissing if it cannot be opened."""
    return _known(current(), person)


def known_all(persons: Iterable[Person]) -> dict[int, Known]:
    """By number, as `known_by`; what all of a project have in common is made once."""
    ring, uid_keys, known = current(), dict[tuple[int, int], bytes](), dict[int, Known]()
    for person in persons:
        generation = person.project_id, person.generation
        if generation not in uid_keys:
            uid_keys[generation] = identifiers.subject_uid_key(
                project_key(person.project_id), person.generation
            )
        known[person.pk] = _handle(ring, person, uid_keys[generation])
    return known


@dataclass(frozen=True, slots=True)
class Bearers:
    """Who lives with an id, and who had it by mistake."""

    now: Known | None
    before: tuple[Known, ...]


def _bearers(ring: Keyring, project_id: int, blind: str) -> Bearers:
    rows = sql.ask(_BEARERS, project_id, blind, project_id, blind)
    found = [(before, _known(ring, Person(**dict(zip(NAMED, row, strict=True))))) for before, *row in rows]
    now = next((known for before, known in found if not before), None)
    return Bearers(now, tuple(known for before, known in found if before))


NAMED: Final = (
    "id", "project_id", "pseudonym", "shift_days", "generation", "per_study", "wrapped_key", "family",
)  # fmt: skip
_ROW: Final = ", ".join(f"person.{name}" for name in NAMED)
_BEARERS: Final = (
    f"SELECT 0, {_ROW} FROM vault_person person"  # noqa: S608 - our own names
    " WHERE person.project_id = %s AND person.blind = %s AND person.forgotten_at IS NULL"
    f" UNION ALL SELECT 1, {_ROW} FROM vault_formerid former JOIN vault_person person ON person.id = former.person_id"
    " WHERE former.project_id = %s AND former.blind = %s AND person.forgotten_at IS NULL"
)


def _known(ring: Keyring, person: Person) -> Known:
    uid_key = identifiers.subject_uid_key(project_key(person.project_id), person.generation)
    return _handle(ring, person, uid_key)


def _handle(ring: Keyring, person: Person, uid_key: bytes) -> Known:
    return Known(
        person_id=person.pk,
        project_id=person.project_id,
        pseudonym=person.pseudonym,
        shift_days=person.shift_days,
        generation=person.generation,
        per_study=bool(person.per_study),
        uid_key=uid_key,
        data_key=data_key(ring, person),
        family=person.family,
    )


def _former(ring: Keyring, before: Iterable[Known], study: str, has_study: HasStudy) -> Known | None:
    """Who had this id by mistake when images of this study came, or whoever of their family has the study."""
    members = [_known(ring, row) for one in before for row in family_of(one)]
    owner = _owner(members, study)
    if owner is None:
        owner = next((one for one in members if has_study(one.pseudonym, _names(one, study))), None)
    return owner and replace(owner, by_former_id=True)


def _of_family(ring: Keyring, known: Known, study: str) -> Known:
    """Whose of the family this study is: it keeps its pseudonym and shift. What is new is the survivor's."""
    members = [_known(ring, one) for one in family_of(known)]
    if owner := _owner(members, study):
        return owner
    return next((one for one in members if one.person_id == known.family), known)


def _owner(members: Iterable[Known], study: str) -> Known | None:
    for one in members:
        pairs = UidPair.objects.filter(project_id=one.project_id, uid__in=_names(one, study))
        if pairs.filter(person_id=one.person_id).exists():
            return one
    return None


def _names(known: Known, study: str) -> tuple[str, str]:
    """What this study of theirs is called here: a recipe may keep UIDs as they are."""
    return identifiers.map_uid(known.uid_key, study), study


def family_of(known: Known) -> list[Person]:
    """Everybody living whom the hospital found to be this person, themselves too."""
    rows = Person.objects.filter(project_id=known.project_id, forgotten_at=None)
    return list(rows.filter(pk=known.person_id) if known.family is None else rows.filter(family=known.family))


def data_key(ring: Keyring, person: Person) -> bytes:
    if person.wrapped_key is None:
        raise Forgotten("This person was forgotten.")
    return ring.unwrap(_key_context(person.project_id, person.pseudonym), person.wrapped_key)


def _meet(ring: Keyring, newcomer: Newcomer) -> Known:
    for _ in range(ATTEMPTS):
        try:
            with transaction.atomic():
                return _known(ring, _create(ring, newcomer))
        except IntegrityError:
            if known := _bearers(ring, newcomer.project_id, newcomer.blind).now:
                return known
    raise Taken("This pseudonym belongs to another person; run doctor.")


def _create(ring: Keyring, newcomer: Newcomer) -> Person:
    project_id = newcomer.project_id
    generation = _next_generation(project_id, newcomer.blind)
    pseudonym, shift_days = _named(newcomer, generation)
    fresh = base64.urlsafe_b64encode(token_bytes(32))
    written = json.dumps(dict(newcomer.identity), sort_keys=True).encode("ascii")
    row = {
        "project_id": project_id,
        "blind": newcomer.blind,
        "generation": generation,
        "pseudonym": pseudonym,
        "shift_days": shift_days,
        "wrapped_key": ring.wrap(_key_context(project_id, pseudonym), fresh),
        "identity": tokens.encrypt(fresh, identity_context(project_id, pseudonym), written),
        "per_study": newcomer.who.per_study,
        "normal_version": VERSION,
        "created_at": sql.time(timezone.now()),
    }
    [(person_id,)] = sql.insert_many("vault_person", [*row], [[*row.values()]], returning="id")
    return Person(id=person_id, **row)


def _named(newcomer: Newcomer, generation: int) -> tuple[str, int]:
    """Pseudonym and shift, from the project's key or, if asked for, from a key that is thrown away."""
    key = token_bytes(32) if newcomer.drawn else project_key(newcomer.project_id)
    who = newcomer.who.issuer, newcomer.who.patient_id, generation
    return identifiers.pseudonym(key, *who), identifiers.shift_days(key, *who)


def _next_generation(project_id: int, blind: str) -> int:
    """An id that was somebody's by mistake has been used as well."""
    last = [sql.ask(question, project_id, blind)[0][0] for question in _GENERATIONS]
    return max((one + 1 for one in last if one is not None), default=0)


_GENERATIONS: Final = tuple(
    f"SELECT max(generation) FROM {table} WHERE project_id = %s AND blind = %s"  # noqa: S608 - our own names
    for table in ("vault_person", "vault_formerid")
)


def identity_context(project_id: int, pseudonym: str) -> str:
    return f"identity:{project_id}:{pseudonym}"


def _key_context(project_id: int, pseudonym: str) -> str:
    return f"person:{project_id}:{pseudonym}"


# --- whom this process has met ----------------------------------------------------------------------
# For some minutes only: a data key in memory outlives forgetting in another process no longer than that.

_met: dict[str, tuple[float, Known]] = {}
_lock = Lock()


def forget_cache() -> None:
    with _lock:
        _met.clear()


def drop(person_ids: Collection[int]) -> None:
    """Their data keys are gone from here at once."""
    with _lock:
        for blind in [blind for blind, (_, known) in _met.items() if known.person_id in person_ids]:
            del _met[blind]


def _remembered(blind: str) -> Known | None:
    met = _met.get(blind)
    if met is None or time.monotonic() - met[0] > REMEMBERED_FOR or not lives(met[1], blind):
        return None
    return met[1]


def _remember(blind: str, known: Known) -> None:
    """Oldest first out, by age or number."""
    now = time.monotonic()
    with _lock:
        _met.pop(blind, None)
        _met[blind] = (now, known)
        while len(_met) > REMEMBERED or _oldest() < now - REMEMBERED_FOR:
            del _met[next(iter(_met))]


def _oldest() -> float:
    return next(iter(_met.values()))[0]


def lives(known: Known, blind: str) -> bool:
    """Asked of the database each time: another process may have forgotten, merged or corrected them a moment ago."""
    return bool(sql.ask(_LIVES, known.person_id, known.project_id, known.pseudonym, blind))


_LIVES: Final = (
    "SELECT 1 FROM vault_person WHERE id = %s AND project_id = %s AND pseudonym = %s AND forgotten_at IS NULL"
    " AND family IS NULL AND blind = %s"
)
