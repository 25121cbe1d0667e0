"""The identified view, after real receptions: asked and answered in real values, by whoever may, under marks."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone
from pydicom.dataset import Dataset

from proxy.audit.models import Entry
from proxy.retrieval.query import identified
from proxy.routing.match import load_table
from proxy.routing.models import Node, Project, Route
from proxy.vault import corrections, forget, seals
from proxy.vault.models import Person, Seal, StudyKey
from proxy.vault.reidentify import Principal, comparing
from proxy.vault.reidentify.identity import read
from tests import cast
from tests.cast import ADA, BEN, StudyPlan
from tests.reception.sending import send
from tests.retrieval.query import wire
from tests.retrieval.query.wire import ask

ANYBODY = Principal("ada", lambda _: True)
RECIPES = ("basic", "research")
ADAS, OLD = StudyPlan(), StudyPlan(number=4, date="20190630", time="2301", accession="ACC-9")
BENS = StudyPlan(patient=BEN, number=2, date="20240116", accession="ACC-77121")
PLANS = (ADAS, OLD, BENS)


def images(plan: StudyPlan) -> list[Dataset]:
    return [cast.ct(plan), cast.ct(plan, 2), cast.pet(plan, 1, series=2)]


@pytest.fixture(params=RECIPES)
def port(request: Any, transactional_db: None, data: Path) -> Iterator[int]:
    """Ada's two studies and Ben's; CLIN sees who they are, WARD does not."""
    project = Project.objects.create(name="default", recipe=request.param)
    Route.objects.create(called_ae=wire.CALLED, project=project)
    route = load_table().route_for(wire.CALLED, "CT_EAST")
    assert route is not None
    for plan in PLANS:
        assert [send(route, image) for image in images(plan)] == [0, 0, 0]
    clinic("CLIN", [project])
    ward = Node.objects.create(name="WARD", ae_title="WARD", host="127.0.0.1", port=104, may=["find"])
    ward.projects.set([project])
    identified._said.clear()
    with wire.listening() as one:
        yield one


def clinic(name: str, projects: list[Project], **changed: Any) -> Node:
    until = (timezone.now() + timedelta(days=2)).date().isoformat()
    said = {
        "may": ["find"],
        "view": "identified",
        "networks": ["127.0.0.1/32"],
        "grant": {"purpose": "treatment", "until": until},
    }
    node = Node.objects.create(name=name, ae_title=name, host="127.0.0.1", port=104, **said | changed)
    node.projects.set(projects)
    return node


def empty(*keywords: str) -> dict[str, Any]:
    return dict.fromkeys(keywords, "")


def found(port: int, level: str = "STUDY", calling: str = "CLIN", **keys: Any) -> set[str]:
    unique = {"PATIENT": "PatientID", "STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID"}
    keyword = unique.get(level, "SOPInstanceUID")
    root = "patient" if level == "PATIENT" else "study"
    heard = ask(port, level, calling=calling, root=root, **{keyword: "", **keys})
    assert heard.status == 0
    return {str(one) for one in heard.values(keyword)}


@pytest.mark.parametrize(
    ("keys", "plans"),
    [
        ({}, PLANS),
        ({"PatientID": ADA.id}, (ADAS, OLD)),
        ({"PatientID": "AE-*"}, (ADAS, OLD)),
        ({"PatientID": ADA.id.lower()}, ()),
        ({"PatientName": "exampleova*"}, (ADAS, OLD)),
        ({"PatientName": "*benvolio"}, (BENS,)),
        ({"PatientName": BEN.name.upper()}, (BENS,)),
        ({"PatientBirthDate": "19510317"}, (ADAS, OLD)),
        ({"PatientBirthDate": "19600101-"}, (BENS,)),
        ({"StudyDate": "20240115"}, (ADAS,)),
        ({"StudyDate": "20240115-20240116"}, (ADAS, BENS)),
        ({"StudyDate": "-20200101"}, (OLD,)),
        ({"StudyTime": "2300-2302"}, (OLD,)),
        ({"AccessionNumber": "ACC-9"}, (OLD,)),
        ({"AccessionNumber": "ACC-7712?"}, (ADAS, BENS)),
        ({"StudyInstanceUID": ADAS.uid}, (ADAS,)),
        ({"StudyInstanceUID": [ADAS.uid, BENS.uid, "1.2.3"]}, (ADAS, BENS)),
        ({"StudyDescription": "Follow-up of Sample*"}, (BENS,)),
        ({"ModalitiesInStudy": "PT", "PatientName": "Ex*", "StudyDate": "20190630"}, (OLD,)),
        ({"PatientID": "ANON*"}, ()),
        ({"PatientName": "ANON*"}, ()),
    ],
    ids=repr,
)
def test_studies_are_found_by_what_they_really_say(
    port: int, keys: dict[str, Any], plans: tuple[StudyPlan, ...]
) -> None:
    assert found(port, **keys) == {plan.uid for plan in plans}


def test_what_is_answered_is_what_was_sent(port: int) -> None:
    asked = [
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyDate",
        "StudyTime",
        "StudyID",
    ]
    asked += ["AccessionNumber", "StudyDescription"]
    answer = ask(port, "STUDY", calling="CLIN", StudyInstanceUID=ADAS.uid, **empty(*asked)).answers[0]
    sent = images(ADAS)[0]
    assert {key: answer[key].value for key in asked} == {key: sent[key].value for key in asked}
    keys: dict[str, Any] = {"StudyInstanceUID": ADAS.uid, "SeriesInstanceUID": ADAS.series_uid(2)}
    answer = ask(
        port, "SERIES", calling="CLIN", SeriesDate="", SeriesDescription="", Modality="", **keys
    ).answers[0]
    assert (answer.SeriesDate, answer.Modality) == (ADAS.date, "PT")
    assert found(port, "IMAGE", **keys) == {ADAS.sop_uid(1, 2)}
    assert found(port, "PATIENT", PatientBirthDate=BEN.birth_date) == {BEN.id}


def test_everybody_who_is_answered_leaves_one_mark(port: int) -> None:
    assert len(found(port, PatientName="*", StudyDate="20240115-20240116")) == 2
    marks = Entry.objects.filter(action="identity.found")
    assert {(one.actor, one.purpose) for one in marks} == {("node CLIN", "treatment")}
    persons = set(Person.objects.values_list("pseudonym", flat=True))
    assert sorted(one.subject for one in marks) == sorted(persons)
    assert Entry.objects.get(action="identity.queried").detail["keys"] == ["StudyDate"]
    stored = repr(list(Entry.objects.values()))
    assert not any(needle in stored for needle in (*ADA.needles, *BEN.needles))


def test_so_many_persons_an_hour_and_no_more(port: int, settings: LazySettings) -> None:
    settings.IDENTITY_PERSONS_PER_HOUR = 2
    assert found(port, PatientID=ADA.id) == {ADAS.uid, OLD.uid}
    assert len(found(port)) == 3
    settings.IDENTITY_PERSONS_PER_HOUR = 1
    heard = ask(port, "STUDY", calling="CLIN", PatientName="")
    assert (heard.status, heard.answers) == (0x0124, [])
    assert "an hour" in heard.comment
    assert Entry.objects.filter(action="identity.refused", actor="node CLIN").exists()
    settings.IDENTITY_PERSONS_PER_HOUR = 0
    assert len(found(port)) == 3


def test_a_query_that_finds_nobody_leaves_its_mark_too(port: int) -> None:
    assert found(port, PatientName="Nobody*") == set()
    assert Entry.objects.get(action="identity.queried").detail["keys"] == ["PatientName"]
    assert not Entry.objects.filter(action="identity.found").exists()


@pytest.mark.parametrize(
    "keys",
    [
        {"PatientName": "Exampleova*"},
        {"PatientName": "*Benvolio*"},
        {"PatientID": ADA.id},
        {"StudyInstanceUID": ADAS.uid},
        {"AccessionNumber": ADAS.accession},
        {"StudyDescription": "*Exampleova*"},
        {"PatientBirthDate": ADA.birth_date},
    ],
    ids=repr,
)
def test_promise_1_who_somebody_is_matches_nothing_in_the_pseudonymous_view(
    port: int, keys: dict[str, Any]
) -> None:
    heard = ask(port, "STUDY", calling="WARD", **{"StudyInstanceUID": "", **keys})
    assert (heard.status, heard.answers) == (0, [])
    assert not Entry.objects.filter(action__startswith="identity.").exists()


def test_promise_1_pseudonyms_are_all_that_the_pseudonymous_view_says(port: int) -> None:
    asked = empty("PatientName", "PatientID", "StudyDate", "AccessionNumber", "StudyDescription")
    for answer in ask(port, "STUDY", calling="WARD", **asked).answers:
        text = str(answer)
        assert not any(needle in text for needle in (*ADA.needles, *BEN.needles, ADAS.uid, ADAS.accession))


def test_who_was_forgotten_is_not_found_and_not_remembered(port: int) -> None:
    assert found(port, PatientName="*adalberta*", AccessionNumber="*") == {ADAS.uid, OLD.uid}
    assert len(identified._said) and len(comparing._identities)
    ada = next(one for one in Person.objects.all() if read(one).patient_id == ADA.id)
    forget.forget(ANYBODY, ada.pseudonym, ada.project_id, "asked for it")
    assert (len(identified._said), len(comparing._identities)) == (0, 0)
    assert StudyKey.objects.count() == 2  # Ben's: accession number and Patient ID
    assert found(port) == {BENS.uid}
    assert found(port, PatientName="Exampleova*") == found(port, PatientID=ADA.id) == set()
    assert found(port, "PATIENT") == {BEN.id}


def test_an_accession_number_opens_the_seals_of_its_studies_only(port: int) -> None:
    assert found(port, AccessionNumber=OLD.accession) == {OLD.uid}
    assert len(identified._said) == 1
    assert not any(OLD.accession in repr(one) for one in StudyKey.objects.values())
    assert found(port, AccessionNumber=["ACC-9", BENS.accession, "NONE"]) == {OLD.uid, BENS.uid}
    assert found(port, AccessionNumber="acc-9") == set()


def test_a_study_whose_seals_are_gone_is_not_in_sight(port: int) -> None:
    for row in Seal.objects.filter(person=Person.objects.order_by("pk").first()):
        seals.drop(row.project_id, [row.sop_uid])
    identified._said.clear()
    assert found(port) == {BENS.uid}


def test_whom_the_hospital_found_to_be_one_is_found_by_each_id(port: int) -> None:
    one, other = Person.objects.order_by("pk")
    corrections.merge(ANYBODY, one.pseudonym, other.pseudonym, one.project_id, "merged in the HIS")
    assert found(port, PatientID=ADA.id) == found(port, PatientID=BEN.id) == {plan.uid for plan in PLANS}


def test_a_patient_id_is_found_whoever_issued_it(port: int) -> None:
    route = load_table().route_for(wire.CALLED, "CT_EAST")
    assert route is not None
    plan = StudyPlan(patient=ADA, number=7, extra={"IssuerOfPatientID": "ELSEWHERE"})
    assert send(route, cast.ct(plan)) == 0
    assert found(port, PatientID=ADA.id) == {ADAS.uid, OLD.uid, plan.uid}
    assert found(port, PatientID=BEN.id) == {BENS.uid}


def test_a_corrected_id_counts_at_once(port: int) -> None:
    assert found(port, PatientID=ADA.id) == {ADAS.uid, OLD.uid}
    ada = Person.objects.order_by("pk")[0]
    corrections.correct(
        ANYBODY, ada.pseudonym, ada.project_id, issuer="", patient_id="AE-NEW", purpose="typo"
    )
    assert found(port, PatientID=ADA.id) == set()
    assert found(port, PatientID="AE-NEW") == found(port, PatientID="AE-N*") == {ADAS.uid, OLD.uid}
    assert found(port, "PATIENT") == {"AE-NEW", BEN.id}


def test_one_study_in_two_projects_is_one_answer(port: int) -> None:
    other = Project.objects.create(name="other", recipe="research")
    Route.objects.create(called_ae="OTHER", project=other)
    route = load_table().route_for("OTHER", "CT_EAST")
    assert route is not None
    assert send(route, cast.ct(ADAS)) == 0
    clinic("BOTH", list(Project.objects.all()))
    heard = ask(port, "STUDY", calling="BOTH", StudyInstanceUID=ADAS.uid)
    assert [str(one) for one in heard.values("StudyInstanceUID")] == [ADAS.uid]
    assert found(port, calling="CLIN", StudyInstanceUID=ADAS.uid) == {ADAS.uid}
    assert found(port, "PATIENT", calling="BOTH") == {ADA.id, BEN.id}


@pytest.mark.parametrize(
    "changed",
    [{"networks": []}, {"grant": None}, {"grant": {"purpose": "treatment", "until": "2020-01-01"}}, {"may": ["store"]}],
    ids=repr,
)  # fmt: skip
def test_promise_1_without_what_it_takes_nothing_is_offered(port: int, changed: dict[str, Any]) -> None:
    clinic("LACKS", list(Project.objects.all()), **changed)
    with pytest.raises(AssertionError), wire.association(port, "LACKS"):
        pass  # nothing but queries was asked for
    assert Entry.objects.get(action="query.refused").actor == "node LACKS"
