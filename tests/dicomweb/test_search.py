"""QIDO-RS: what a node finds over HTTP is what it would find with C-FIND, and no log carries what it asked."""

import gzip
import json
import logging
from typing import Any

import pytest
from django.conf import LazySettings

from config import reading
from proxy.audit.models import Entry
from proxy.retrieval.query import identified
from proxy.routing.match import load_table
from proxy.studies.models import Study
from proxy.vault.forget import forget
from proxy.vault.models import Person
from proxy.vault.reidentify import Principal
from tests import cast
from tests.cast import ADA, BEN, StudyPlan
from tests.dicomweb.conftest import Site
from tests.reception.sending import send
from tests.retrieval.query import filled

pytestmark = [pytest.mark.django_db]
Answer = list[dict[str, Any]]


@pytest.fixture
def stock(site: Site) -> list[filled.Image]:
    every = filled.images()
    filled.fill(every)
    return every


def ask(site: Site, path: str, node: str = "VIEWER", **headers: Any) -> Any:
    return site.client.get(f"/dicomweb/{path}", **{**site.headers(node), **headers})


def found(site: Site, path: str, node: str = "VIEWER") -> Answer:
    answer = ask(site, path, node)
    assert answer.status_code == 200, answer.content
    assert answer.headers["Content-Type"] == "application/dicom+json"
    return list(json.loads(answer.getvalue()))


def values(answers: Answer, tag: str) -> set[Any]:
    return {one.get(tag, {}).get("Value", [None])[0] for one in answers}


def expected(stock: list[filled.Image], key: str, **where: str) -> set[str]:
    mine = [one for one in stock if one["project"] == "default"]
    return {one[key] for one in mine if all(one[name] == value for name, value in where.items())}


STUDY_UID, SERIES_UID, SOP_UID = "0020000D", "0020000E", "00080018"


class TestPseudonymous:
    def test_every_study_and_series_and_image_of_its_projects(
        self, site: Site, stock: list[filled.Image]
    ) -> None:
        for path, tag, key in (
            ("studies", STUDY_UID, "StudyInstanceUID"),
            ("series", SERIES_UID, "SeriesInstanceUID"),
            ("instances", SOP_UID, "SOPInstanceUID"),
        ):
            assert values(found(site, path), tag) == expected(stock, key)

    @pytest.mark.parametrize(
        ("query", "where"),
        [
            ("PatientID=ANON-ADA2345672345672", {"PatientID": "ANON-ADA2345672345672"}),
            ("PatientName=anon-ada*", {"PatientID": "ANON-ADA2345672345672"}),
            ("00080020=20240115", {"StudyDate": "20240115"}),
            ("AccessionNumber=ACC-10&StudyDate=20240101-", {"AccessionNumber": "ACC-10"}),
            ("StudyDescription=*Sch%C3%A4del", {"StudyDescription": "Schädel"}),
            ("StudyInstanceUID=1.2.1.0,9.9", {"StudyInstanceUID": "1.2.1.0"}),
        ],
    )
    def test_what_matches(
        self, site: Site, stock: list[filled.Image], query: str, where: dict[str, str]
    ) -> None:
        assert values(found(site, f"studies?{query}"), STUDY_UID) == expected(
            stock, "StudyInstanceUID", **where
        )

    def test_below_a_study_and_a_series(self, site: Site, stock: list[filled.Image]) -> None:
        study = {"StudyInstanceUID": "1.2.1.2"}
        series = found(site, "studies/1.2.1.2/series")
        assert values(series, SERIES_UID) == expected(stock, "SeriesInstanceUID", **study)
        assert values(series, STUDY_UID) == {"1.2.1.2"}
        everything = found(site, "studies/1.2.1.2/instances?SOPClassUID=" + filled.PT)
        assert values(everything, SOP_UID) == expected(
            stock, "SOPInstanceUID", SOPClassUID=filled.PT, **study
        )
        of_one = found(site, "studies/1.2.1.2/series/1.2.1.2.0/instances")
        assert values(of_one, SOP_UID) == expected(stock, "SOPInstanceUID", SeriesInstanceUID="1.2.1.2.0")
        assert found(site, "studies/1.2.1.1/series/1.2.1.2.0/instances") == []

    def test_an_answer_says_what_the_standard_wants(self, site: Site, stock: list[filled.Image]) -> None:
        [one] = found(site, "studies?StudyInstanceUID=1.2.1.2")
        assert list(one) == sorted(one)
        assert one["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "ANON-CLEO234567234567"}]}
        assert one["00080061"] == {"vr": "CS", "Value": ["CT", "PT", "SEG"]}
        assert one["00201206"] == {"vr": "IS", "Value": [3]}
        assert one["00080056"] == {"vr": "CS", "Value": ["ONLINE"]}
        assert one["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
        assert one["00081190"] == {"vr": "UR", "Value": ["http://testserver/dicomweb/studies/1.2.1.2"]}
        [image] = found(
            site, "studies/1.2.1.2/series/1.2.1.2.0/instances?InstanceNumber=1&includefield=00081090"
        )
        assert image["00081190"]["Value"] == [
            "http://testserver/dicomweb/studies/1.2.1.2/series/1.2.1.2.0/instances/1.2.1.2.0.1"
        ]
        assert image["00081090"]["Value"] == ["Ex 1"]
        assert image["00280010"] == {"vr": "US", "Value": [64]}

    def test_addresses_are_https_where_a_named_web_server_says_so(
        self, site: Site, stock: list[filled.Image], settings: LazySettings
    ) -> None:
        said = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_FOR": "192.0.2.1"}
        headers = said | {"HTTP_HOST": "testserver"}
        for trusted, begins in (([], "http://"), (["127.0.0.0/8"], "https://")):
            settings.API_TRUSTED_PROXIES = reading.networks("NO_SUCH_SETTING", trusted)
            [one] = json.loads(ask(site, "studies?limit=1", **headers).getvalue())
            assert one["00081190"]["Value"][0].startswith(f"{begins}testserver/dicomweb/studies/")

    def test_nothing_is_an_empty_list(self, site: Site, stock: list[filled.Image]) -> None:
        assert found(site, "studies?PatientID=NOBODY") == []
        assert found(site, "studies/9.9/series") == []
        assert found(site, "studies?limit=0") == []
        assert found(site, "studies?offset=1000") == []

    def test_what_is_held_or_under_review_is_out_of_sight(self, site: Site) -> None:
        every = filled.images()[:1]
        filled.fill([every[0] | {"state": "review"}])
        assert found(site, "studies") == []
        filled.fill([{**filled.images()[8], "held": "yes"}])
        assert found(site, "studies") == []

    def test_another_project_s_are_out_of_sight(self, site: Site, stock: list[filled.Image]) -> None:
        assert "1.2.2.0" not in values(found(site, "studies"), STUDY_UID)

    def test_bad_questions_hear_why_and_nothing_of_theirs(
        self, site: Site, stock: list[filled.Image]
    ) -> None:
        for query in ("StudyDate=SECRET", "SECRET=1", "limit=SECRET", "Modality=SECRET", "PatientID=%ff"):
            answer = ask(site, f"studies?{query}")
            assert answer.status_code == 400
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert b"SECRET" not in answer.content
        assert ask(site, "studies/1.2/series?StudyInstanceUID=1.3").status_code == 400

    def test_who_may_not_query_hears_so(self, site: Site, stock: list[filled.Image]) -> None:
        assert ask(site, "studies", node="MUTE").status_code == 403
        assert site.client.get("/dicomweb/studies").status_code == 401
        assert Entry.objects.filter(action="query.refused").count() == 1

    def test_only_json_is_spoken(self, site: Site, stock: list[filled.Image]) -> None:
        assert ask(site, "studies", HTTP_ACCEPT="application/dicom+xml").status_code == 406
        answer = ask(site, "studies", HTTP_ACCEPT="application/json")
        assert answer.headers["Content-Type"] == "application/json"

    def test_it_is_packed_for_whoever_takes_that(self, site: Site, stock: list[filled.Image]) -> None:
        answer = ask(site, "instances", HTTP_ACCEPT_ENCODING="gzip")
        assert answer.headers["Content-Encoding"] == "gzip"
        assert values(json.loads(gzip.decompress(answer.getvalue())), SOP_UID) == expected(
            stock, "SOPInstanceUID"
        )

    def test_of_a_head_only_headers_leave(self, site: Site, stock: list[filled.Image]) -> None:
        answer = site.client.head("/dicomweb/studies", **site.headers("VIEWER"))
        assert (answer.status_code, answer.getvalue()) == (200, b"")
        assert answer.headers["Content-Type"] == "application/dicom+json"
        assert "Content-Length" not in answer.headers  # which would be that of a GET (RFC 9110 8.6)


class TestPages:
    def test_pages_are_in_one_order_and_newest_first(self, site: Site, stock: list[filled.Image]) -> None:
        every = [one[SOP_UID]["Value"][0] for one in found(site, "instances")]
        pages = [found(site, f"instances?limit=3&offset={at}") for at in range(0, len(every) + 3, 3)]
        assert [one[SOP_UID]["Value"][0] for page in pages for one in page] == every
        mine = [one["SOPInstanceUID"] for one in stock if one["project"] == "default"]
        assert every == mine[::-1]
        assert len(pages[0]) == 3
        assert pages[-1] == []

    def test_pages_of_what_is_looked_at_again(self, site: Site, stock: list[filled.Image]) -> None:
        every = [
            one[STUDY_UID]["Value"][0] for one in found(site, "studies?PatientName=*a*&ModalitiesInStudy=CT")
        ]
        pages = [
            found(site, f"studies?PatientName=*a*&ModalitiesInStudy=CT&limit=1&offset={at}")
            for at in range(len(every))
        ]
        assert [one[STUDY_UID]["Value"][0] for page in pages for one in page] == every

    def test_a_warning_says_that_there_are_more_than_we_answer(
        self, site: Site, stock: list[filled.Image], settings: LazySettings
    ) -> None:
        settings.DICOM_FIND_MAX = 4
        answer = ask(site, "studies")
        assert len(json.loads(answer.getvalue())) == 4
        assert answer.headers["Warning"].startswith('299 postern "The number of results exceeded')
        assert "Warning" not in ask(site, "studies?offset=4").headers
        assert "Warning" in ask(site, "studies?limit=100").headers
        assert "Warning" not in ask(site, "studies?limit=2").headers

    def test_a_warning_says_that_matching_is_literal(self, site: Site, stock: list[filled.Image]) -> None:
        assert "fuzzymatching" in ask(site, "studies?fuzzymatching=true").headers["Warning"]
        assert "Warning" not in ask(site, "studies?fuzzymatching=false").headers


# --- identities -----------------------------------------------------------------------------------

ADAS, BENS = StudyPlan(), StudyPlan(patient=BEN, number=2, date="20240116", accession="ACC-77121")


@pytest.fixture
def ward(site: Site) -> Site:
    """Images that really came in; WARD sees whose they are."""
    route = load_table().route_for("DICOMRCV", "CT_EAST")
    assert route is not None
    for plan in (ADAS, BENS):
        for image in (cast.ct(plan), cast.ct(plan, 2), cast.pet(plan, 1, series=2)):
            assert send(route, image) == 0
    identified._said.clear()
    return site


class TestIdentified:
    def test_the_ward_asks_and_hears_real_values(self, ward: Site) -> None:
        for query in (
            f"PatientID={ADA.id}",
            "PatientName=example*",
            "AccessionNumber=ACC-77120",
            "StudyDate=20240115",
        ):
            [one] = found(ward, f"studies?{query}", node="WARD")
            assert one[STUDY_UID]["Value"] == [ADAS.uid]
            assert one["00100010"]["Value"] == [{"Alphabetic": ADA.name}]
            assert one["00080020"]["Value"] == ["20240115"]
        series = found(ward, f"studies/{ADAS.uid}/series", node="WARD")
        assert values(series, SERIES_UID) == {ADAS.series_uid(1), ADAS.series_uid(2)}
        assert found(ward, f"studies?PatientID={ADA.id}", node="VIEWER") == []

    def test_everybody_who_is_answered_leaves_a_mark(self, ward: Site) -> None:
        assert len(found(ward, "studies?PatientName=*", node="WARD")) == 2
        marks = Entry.objects.filter(action="identity.found")
        assert {one.actor for one in marks} == {"node WARD"}
        assert sorted(one.subject for one in marks) == sorted(
            Person.objects.values_list("pseudonym", flat=True)
        )
        assert Entry.objects.filter(action="identities.queried").count() == 0
        assert Entry.objects.get(action="identity.queried").purpose == "care"

    def test_a_question_without_an_answer_leaves_a_mark_too(self, ward: Site) -> None:
        assert found(ward, "studies?PatientID=NOBODY", node="WARD") == []
        assert Entry.objects.filter(action="identity.queried").count() == 1

    def test_so_many_persons_an_hour_and_no_more(self, ward: Site, settings: LazySettings) -> None:
        settings.IDENTITY_PERSONS_PER_HOUR = 1
        answer = ask(ward, "studies", node="WARD")
        assert answer.status_code == 429
        assert len(found(ward, f"studies?PatientID={ADA.id}", node="WARD")) == 1

    def test_who_was_forgotten_is_out_of_sight(self, ward: Site) -> None:
        person = Person.objects.get(
            pseudonym=Study.objects.get(accession__in=("ACC-77120", ""), pk=_first()).patient
        )
        forget(Principal("test", lambda _: True), person.pseudonym, person.project_id, "wish")
        assert found(ward, f"studies?PatientID={ADA.id}", node="WARD") == []

    def test_promise_8_no_log_says_what_was_asked(
        self, ward: Site, caplog: pytest.LogCaptureFixture, settings: LazySettings
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            found(ward, f"studies?PatientID={ADA.id}", node="WARD")
            ask(ward, f"studies?PatientID={ADA.id}&limit=x", node="WARD")
            ask(ward, f"studies?NoKey={ADA.id}", node="WARD")
            settings.IDENTITY_PERSONS_PER_HOUR = 1
            ask(ward, f"studies?PatientName={ADA.name}", node="WARD")
        ours = [one for one in caplog.records if not one.name.startswith("django.db")]
        assert not [
            one.name for one in ours if ADA.id in one.getMessage() or "Exampleova" in one.getMessage()
        ]
        stored = repr(list(Entry.objects.values()))
        assert not [needle for needle in ADA.needles if needle in stored]


def _first() -> int:
    return Study.objects.order_by("pk").values_list("pk", flat=True)[0]
