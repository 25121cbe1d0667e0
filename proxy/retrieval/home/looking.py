"""Look up what a result mentions: in the index, among results that came home before, and in the vault.

The vault knows images that were never sent to us, too: those that `deidentify` made. Of these it says whose they are,
and what their study was called.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from django.db.models import QuerySet

from proxy.deid.homeward import Found, Mentions, Place
from proxy.retrieval.models import Result
from proxy.studies.models import Instance, Series, Study
from proxy.vault import uids as names
from proxy.vault.models import Person, Seal, UidPair

PAGE = 500
MOST = 20_000  # UIDs that one result may mention

Row = tuple[str, str, str]  # UID, patient, study


def look_up(project_id: int, result: Mentions) -> Found:
    wanted = sorted(result.uids)
    instances = _places(_instances(project_id, wanted))
    series = _places(_series(project_id, wanted))
    studies = _places(_studies(project_id, wanted))
    others = _others(project_id, wanted)
    placed = instances or series or studies
    frames = set() if placed or others else _owners(project_id, wanted, UidPair.FRAME)
    is_known = Person.objects.filter(project_id=project_id, pseudonym=result.patient).exists()
    patients = {place.patient for level in (instances, series, studies) for place in level.values()}
    patients |= others | frames | ({result.patient} if is_known else set())
    alone = set() if placed else patients
    persons = names.survivors(project_id, patients)
    return Found(
        instances, series, studies, others, frames, is_known,
        forgotten=names.forgotten(project_id, patients), persons=persons,
        studies_of={persons.get(one, one): _studies_of(project_id, one) for one in alone},
    )  # fmt: skip


def is_ours(project_id: int, uid: str) -> Instance | None:
    """An image that we gave out under this very UID: the one that is here, or one that has expired."""
    return Instance.objects.filter(project_id=project_id, uid=uid).order_by("expired").first()


def is_sealed(project_id: int, uid: str) -> bool:
    """Whether this is the UID of an image that we made, here or by `deidentify`."""
    return Seal.objects.filter(project_id=project_id, sop_uid=uid).exists()


def images(project_id: int, wanted: Collection[str]) -> set[str]:
    """Those of these UIDs that are images of ours."""
    rows = Instance.objects.filter(project_id=project_id)
    return {
        uid for at in _pages(sorted(wanted)) for uid in rows.filter(uid__in=at).values_list("uid", flat=True)
    }


def speaker(project_id: int, study_uid: str, wanted: Collection[str]) -> Instance | None:
    """The image whose seal speaks for the study: best one that the result refers to, and that has not expired."""
    rows = Instance.objects.filter(project_id=project_id, series__study__uid=study_uid)
    rows = rows.order_by("expired", "pk")
    mentioned = (rows.filter(uid__in=page).first() for page in _pages(sorted(wanted)))
    return next((row for row in mentioned if row is not None), None) or rows.first()


def _places(rows: Iterable[Row]) -> dict[str, Place]:
    return {uid: Place(patient, study) for uid, patient, study in rows}


def _instances(project_id: int, wanted: list[str]) -> Iterator[Row]:
    rows = Instance.objects.filter(project_id=project_id)
    yield from _paged(rows, wanted, "uid", "series__study__patient", "series__study__uid")
    results = Result.objects.filter(project_id=project_id)
    yield from _paged(results, wanted, "uid", "patient", "study_uid")


def _series(project_id: int, wanted: list[str]) -> Iterator[Row]:
    rows = Series.objects.filter(study__project_id=project_id)
    yield from _paged(rows, wanted, "uid", "study__patient", "study__uid")
    results = Result.objects.filter(project_id=project_id)
    yield from _paged(results, wanted, "series_uid", "patient", "study_uid")


def _studies(project_id: int, wanted: list[str]) -> Iterator[Row]:
    rows = Study.objects.filter(project_id=project_id)
    yield from _paged(rows, wanted, "uid", "patient", "uid")
    pairs = UidPair.objects.filter(project_id=project_id, kind=UidPair.STUDY)
    yield from _paged(pairs, wanted, "uid", "person__pseudonym", "uid")


def _paged(rows: "QuerySet[Any]", wanted: list[str], column: str, *others: str) -> Iterator[Row]:
    for page in _pages(wanted):
        yield from rows.filter(**{f"{column}__in": page}).values_list(column, *others)


def _pages(wanted: list[str]) -> Iterator[list[str]]:
    return (wanted[at : at + PAGE] for at in range(0, len(wanted), PAGE))


def _others(project_id: int, wanted: list[str]) -> set[str]:
    """Whose images, series and studies these are, by the vault."""
    sealed: set[str] = set()
    for page in _pages(wanted):
        rows = Seal.objects.filter(project_id=project_id, sop_uid__in=page)
        sealed.update(rows.values_list("person__pseudonym", flat=True))
    return sealed | _owners(project_id, wanted, UidPair.STUDY, UidPair.SERIES)


def _owners(project_id: int, wanted: list[str], *kinds: str) -> set[str]:
    """A frame of reference may be shared by several."""
    found: set[str] = set()
    for page in _pages(wanted):
        rows = UidPair.objects.filter(project_id=project_id, kind__in=kinds, uid__in=page)
        found.update(rows.values_list("person__pseudonym", flat=True))
    return found


def _studies_of(project_id: int, patient: str) -> list[Place]:
    """Under all of their pseudonyms. Two are enough to know that it is not one."""
    names_of = names.pseudonyms_of(project_id, patient)
    here = Study.objects.filter(project_id=project_id, patient__in=names_of)
    pairs = UidPair.objects.filter(project_id=project_id, kind=UidPair.STUDY, person__pseudonym__in=names_of)
    found = [*here.values_list("patient", "uid")[:2], *pairs.values_list("person__pseudonym", "uid")[:2]]
    return [Place(*pair) for pair in dict.fromkeys(found)]
