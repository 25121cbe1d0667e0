"""Studies that nobody finds by number: they came before the vault kept keys of accession numbers and Patient IDs.

Their keys are made from what their seals say. What was made is committed a few studies at a time, so that this may be
stopped and begun again; what a seal says goes nowhere else.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, Min, OuterRef, QuerySet

from proxy.retrieval.query import sealed
from proxy.storage.errors import SealBroken
from proxy.studies.models import Instance, Study
from proxy.vault import seals, studykeys
from proxy.vault.models import Person, StudyKey
from proxy.vault.pseudonyms import Forgotten
from proxy.vault.seals import NoSeal

AT_ONCE: Final = 200
PAGE: Final = 20_000
Name = tuple[int, str]  # project and pseudonymous UID


def lacking() -> "QuerySet[Any, Name]":
    """Of persons who live. One pass over both tables, whatever they hold."""
    living = Person.objects.filter(project_id=OuterRef("project_id"), pseudonym=OuterRef("patient"))
    theirs = Study.objects.filter(Exists(living.filter(forgotten_at=None)))
    keyed = StudyKey.objects.values_list("project_id", "uid")
    return theirs.values_list("project_id", "uid").difference(keyed)


def fill(progress: Callable[[int], None]) -> int:
    """How many have their keys now; `progress` hears it all the while. Raises KeysMissing."""
    done = 0
    while page := list(lacking()[:PAGE]):
        before = done
        for project_id, uids in _batches(page):
            done += _filled(project_id, uids)
            progress(done)
        if done == before:
            break
    return done


def _batches(names: Iterable[Name]) -> Iterator[tuple[int, list[str]]]:
    for project_id, some in groupby(sorted(names), key=itemgetter(0)):
        uids = [uid for _, uid in some]
        for at in range(0, len(uids), AT_ONCE):
            yield project_id, uids[at : at + AT_ONCE]


def _filled(project_id: int, uids: Sequence[str]) -> int:
    studies = list(Study.objects.filter(project_id=project_id, uid__in=uids))
    accessions = dict(_accessions(studies))
    with transaction.atomic():
        persons = _locked_persons(project_id, {one.patient for one in studies})
        made = [
            studykeys.late_rows(persons[one.patient], one.uid, accessions[one.pk])
            for one in studies
            if one.patient in persons
        ]
        studykeys.keep([row for some in made for row in some])
    return len(made)


def _locked_persons(project_id: int, pseudonyms: Collection[str]) -> dict[str, Person]:
    """Whoever is forgotten meanwhile waits, or is not here any more."""
    living = Person.objects.filter(project_id=project_id, pseudonym__in=pseudonyms, forgotten_at=None)
    return {one.pseudonym: one for one in living.select_for_update().order_by("pk")}


def _accessions(studies: Sequence[Study]) -> Iterator[tuple[int, str]]:
    """By the study's number; empty where no seal is left to say it."""
    path = "series__study_id"
    rows = Instance.objects.filter(**{f"{path}__in": [one.pk for one in studies]})
    first: dict[int, int] = dict(rows.values_list(path).annotate(Min("pk")))
    uids = dict(Instance.objects.filter(pk__in=first.values()).values_list("pk", "uid"))
    for study in studies:
        uid = uids.get(first.get(study.pk, 0), "")
        yield study.pk, _accession(study, uid)


def _accession(study: Study, sop_uid: str) -> str:
    """As it came: what the recipe left stands in the index, everything else in the seal."""
    try:
        originals = sealed.originals(seals.open_seal(study.project_id, sop_uid))
    except (NoSeal, SealBroken, Forgotten):
        return ""
    return originals.get("AccessionNumber", study.accession)
