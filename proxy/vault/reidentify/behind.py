"""What stands behind a result: the images it was made of, for the house to which it comes home."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import transaction

from proxy.audit import actions
from proxy.vault import seals
from proxy.vault.models import Person, Seal, UidPair
from proxy.vault.pseudonyms import family_of, known_by
from proxy.vault.reidentify.asking import VIEW, Principal, allowed, mark
from proxy.vault.reidentify.identity import Identity, person_of, read
from proxy.vault.reidentify.opening import Opened

PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Behind:
    """What stands behind a result: seals of the images it refers to, and other UIDs as they were."""

    instances: Collection[str]  # pseudonymous SOP Instance UIDs of those images
    opened: Callable[[], Iterator[tuple[str, Opened]]] = field(repr=False)  # one after the other
    uids: Mapping[str, str] = field(repr=False)  # pseudonymous to original
    renamed: Identity | None = field(
        default=None, repr=False
    )  # of whom the hospital says another Patient ID by now


def behind_result(
    principal: Principal, result: str, pseudonym: str, uids: Collection[str], project_id: int, purpose: str
) -> Behind:
    """What `uids`, which a result mentions, were: all that are of this person, under whatever of their pseudonyms.

    `result` is its own SOP Instance UID, made outside. One mark for each pseudonym comes before any seal is opened.
    Raises Unknown, Forgotten, SealBroken, the last also while seals are opened.
    """
    allowed(principal, VIEW, pseudonym, project_id, purpose)
    with transaction.atomic():
        person = person_of(project_id, pseudonym)
        family = family_of(known_by(person))
        renamed = _renamed(person, family)
        handles = {person.pk: known_by(person) for person in family}
        rows = _of_family(Seal.objects.defer("token"), family, "sop_uid", uids)
        owners = {row.sop_uid: handles[row.person_id].pseudonym for row in rows}
        pairs = {row.uid: seals.open_pair(row) for row in _of_family(UidPair.objects, family, "uid", uids)}
        counts = {pseudonym: 0, **({renamed.pseudonym: 0} if renamed else {}), **Counter(owners.values())}
        for one, count in counts.items():
            more: dict[str, int | str] = {"result": result, "instances": count}
            mark(principal, actions.RESULT_BROUGHT_HOME, one, project_id, purpose, more=more)

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
    return read(bearer)


def _of_family(rows: Any, family: list[Person], column: str, uids: Collection[str]) -> Iterator[Any]:
    wanted = sorted(uids)
    for at in range(0, len(wanted), PAGE):
        page = {f"{column}__in": wanted[at : at + PAGE]}
        yield from rows.select_related("person").filter(person__in=family, **page)
