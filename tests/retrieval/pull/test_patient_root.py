"""PACS that offer Patient Root only: each study is asked for under its patient, whom the vault keeps meanwhile."""

from pathlib import Path

import pytest
from django.core.management.base import CommandError
from django.utils import timezone

from proxy.retrieval.models import Pull
from proxy.retrieval.pulls import book
from proxy.retrieval.pulls.book import Order
from proxy.studies.models import Instance
from proxy.vault.models import Memo
from tests import cast
from tests.retrieval.pull.pacs import BY_PATIENT, FIND, GET, MOVE, Pacs, serving
from tests.retrieval.pull.test_peers import dcmqrscp, filled, site
from tests.retrieval.pull.test_pull import ONE, TWO, archive, images, listening, nobody_is_named, run

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("way", ["get", "move"])
def test_a_patient_is_pulled_from_a_pacs_of_patient_root(data: Path, way: str) -> None:
    with listening() as port, archive(Pacs(images(ONE, TWO), services=BY_PATIENT)) as pacs:
        pacs.knows["DICOMRCV"] = port
        code, said = run("--patient", cast.ADA.id, "--by", way)
    assert code == 0, said
    assert "2 of 2 studies are here: 12 of 12 images." in said
    assert Instance.objects.count() == 12
    assert not Memo.objects.exists()
    nobody_is_named(said)


def test_what_is_here_in_part_is_asked_for_under_its_patient(data: Path) -> None:
    with archive(Pacs(images(ONE), services=BY_PATIENT, withheld={ONE.sop_uid(2)})) as pacs:
        assert run("--patient", cast.ADA.id)[0] == 1
        pacs.withheld.clear()
        code, said = run("--patient", cast.ADA.id)
    assert code == 0, said
    assert pacs.asked[-1] == ("get", "IMAGE")
    assert "Going on with what was begun" in said


def test_where_no_patient_is_said_it_says_why_it_cannot_go_on(data: Path) -> None:
    with (
        archive(Pacs(images(ONE), services=BY_PATIENT)),
        pytest.raises(CommandError, match="Patient Root only"),
    ):
        run("--accession", ONE.accession)


def test_a_lenient_one_says_whose_study_it_is(data: Path) -> None:
    with archive(Pacs(images(ONE, TWO), services=BY_PATIENT, is_lenient=True)):
        code, said = run("--accession", ONE.accession)
    assert code == 0, said
    assert Instance.objects.count() == 6


@pytest.mark.parametrize("services", [(FIND, *BY_PATIENT[1:]), (BY_PATIENT[0], GET, MOVE)])
def test_one_that_mixes_them_up_is_told_what_it_needs(data: Path, services: tuple[str, ...]) -> None:
    """Queries in one model and retrievals in the other: what is not known is said, and nothing is guessed."""
    with archive(Pacs(images(ONE), services=services)):
        code, said = run("--patient", cast.ADA.id)
    if services[0] == FIND:
        assert code == 1
        assert "by patient only" in said
    else:
        assert code == 0, said


def test_study_root_comes_first_and_then_no_patient_is_kept(data: Path) -> None:
    offers = (FIND, GET, MOVE, *BY_PATIENT)
    with archive(Pacs(images(ONE), services=offers, withheld={ONE.sop_uid(1)})):
        assert run("--patient", cast.ADA.id)[0] == 1
    pull = Pull.objects.get()
    book.opened(Order(pull.node_id, pull.called_ae, pull.by), pull.digest, timezone.now())
    [(_, target)] = book.waiting(pull)
    assert (target.study, target.patient) == (ONE.uid, "")


def test_a_dispatch_goes_by_patient_too(data: Path) -> None:
    with serving(Pacs([])) as reading, archive(Pacs(images(ONE), services=BY_PATIENT)) as pacs:
        pacs.knows["READING"] = reading.port
        code, said = run("--to", "READING", "--patient", cast.ADA.id, command="dispatch")
    assert code == 0, said
    assert "1 of 1 studies are moved: 6 of 6 images." in said


@pytest.mark.peers
@pytest.mark.parametrize("way", ["get", "move"])
def test_dcmqrscp_without_study_root(data: Path, tmp_path: Path, way: str) -> None:
    with listening() as ours, dcmqrscp(tmp_path / "archive", ours, "--no-study-root") as port:
        filled(port, images(ONE, TWO), tmp_path / "sent")
        site(port)
        code, said = run("--patient", cast.ADA.id, "--by", way)
        assert code == 0, said
        assert "2 of 2 studies are here: 12 of 12 images." in said
        code, said = run("--study", ONE.uid, "--by", way)  # it does not insist on a patient
        assert code == 0, said


def test_an_issuer_keeps_two_of_one_number_apart(data: Path) -> None:
    mine, theirs, nobodys = images(ONE), images(TWO), images(cast.StudyPlan(number=3))
    for image in mine:
        image.IssuerOfPatientID = "HOSPITAL"
    for image in theirs:
        image.IssuerOfPatientID = "ELSEWHERE"
    with archive(Pacs(mine + theirs + nobodys)):
        code, said = run("--patient", cast.ADA.id, "--issuer", "HOSPITAL")
    assert code == 0, said
    assert "1 of 1 studies are here: 6 of 6 images." in said
    assert "1 answers are left out: without the issuer" in said
