"""A PACS is asked what it has of a study that is quiet here: by its original UID, which nobody sees."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pydicom.dataset import Dataset

from proxy import pipeline
from proxy.audit.models import Entry
from proxy.deliveries.whereabouts import whereabouts
from proxy.network.peer import Lost
from proxy.quarantine.models import HeldItem
from proxy.retrieval import counts
from proxy.retrieval.counts import Counting
from proxy.routing.match import load_table
from proxy.routing.models import Node, Route
from proxy.routing.site import apply, read
from proxy.studies import completeness
from proxy.studies.models import PacsCount, Revision, Study
from proxy.vault.forget import forget
from proxy.vault.reidentify import Principal
from tests import cast
from tests.cluster import free_port
from tests.reception.sending import send
from tests.retrieval.pull.pacs import BY_PATIENT, Pacs, serving

pytestmark = [pytest.mark.django_db(transaction=True)]

SITE = """
projects: [{{name: default}}]
nodes: [{{name: PACS, ae_title: PACS, host: 127.0.0.1, port: {port}, may: []}}]
destinations: [{{name: outbox, kind: folder, path: outbox}}]
routes: [{{called_ae: DICOMRCV, project: default, destinations: [outbox], ask_counts: PACS}}]
"""
PLAN = cast.StudyPlan()


def images(each: int = 3) -> list[Dataset]:
    return [cast.ct(PLAN, number, series=series) for series in (1, 2) for number in range(1, each + 1)]


def arrive(some: Iterable[Dataset]) -> Study:
    """They came, and then it was quiet."""
    route = load_table().route_for("DICOMRCV", "CT_EAST")
    assert route is not None
    for image in some:
        assert send(route, image) == 0
    Revision.objects.filter(state="receiving").update(quiet_at=timezone.now())
    return Study.objects.get()


@contextmanager
def beside(pacs: Pacs) -> Iterator[Pacs]:
    with serving(pacs):
        apply(read(SITE.format(port=pacs.port)), "test")
        yield pacs


def look() -> None:
    counting = Counting()
    counting.look()
    counting.wait(100)


def settled() -> list[str]:
    pipeline.settle(timezone.now())
    return list(Revision.objects.order_by("number").values_list("state", flat=True))


def again() -> None:
    PacsCount.objects.update(next_at=timezone.now())
    look()


def nobody_is_named(said: str) -> None:
    for needle in (*cast.NEEDLES, cast.ROOT):
        assert needle not in said


def test_as_many_here_as_there_release_the_study_and_it_says_so(data: Path) -> None:
    with beside(Pacs(images())) as pacs:
        study = arrive(images())
        assert settled() == ["receiving"], "it was released before its PACS was asked"
        look()
    assert settled() == ["released"]
    assert completeness.sureness(study) == "6 of 6 by PACS"
    assert pacs.asked == [("find", "STUDY")], "a count that is ours needs no list"


def test_the_way_back_is_the_houses_and_leaves_a_mark_that_names_nobody(data: Path) -> None:
    with beside(Pacs(images())):
        study = arrive(images())
        look()
    [entry] = Entry.objects.filter(action__startswith="identity.")
    assert (entry.action, entry.actor, entry.subject) == ("identity.uid-viewed", "counts", study.uid)
    assert entry.purpose == counts.PURPOSE
    nobody_is_named(str(entry.detail) + str(list(PacsCount.objects.values())))


def test_fewer_here_than_there_wait_and_what_comes_late_joins_them(data: Path) -> None:
    with beside(Pacs(images())):
        study = arrive(images()[:4])
        look()
        assert settled() == ["receiving"]
        [answer] = whereabouts(study, None, timezone.now())
        assert "4 of 6 by PACS; 2 not here yet" in str(answer)
        assert "Send what is missing" in str(answer)
        arrive(images()[4:])
        look()
    assert settled() == ["released"], "the late ones made a revision of their own"
    assert completeness.sureness(study) == "6 of 6 by PACS"
    assert Revision.objects.get().total == 6


def test_after_its_patience_it_goes_and_the_late_ones_are_the_next_revision(
    data: Path, settings: Any
) -> None:
    settings.DICOM_COUNTS_PATIENCE = 0
    with beside(Pacs(images())):
        study = arrive(images()[:4])
        look()
        assert settled() == ["released"]
        assert completeness.sureness(study).startswith("4 of 6 by PACS; 2 did not come within ")
        arrive(images()[4:])
        look()
        assert settled() == ["released", "released"]
    assert completeness.sureness(study) == "6 of 6 by PACS"


def test_as_many_of_others_are_not_as_many_of_those(data: Path) -> None:
    """Two that only we have do not stand for two that only the PACS has."""
    ours = [*images()[:4], cast.ct(PLAN, 8), cast.ct(PLAN, 9), cast.ct(PLAN, 10)]
    with beside(Pacs(images())):
        study = arrive(ours)
        look()
    assert settled() == ["receiving"]
    assert completeness.sureness(study) == "4 of 6 by PACS; 2 not here yet"


def test_a_kind_that_nobody_takes_here_is_not_waited_for(data: Path) -> None:
    screen = cast.ct(PLAN, 1, series=9)
    screen.SOPClassUID = "1.2.840.10008.5.1.4.1.1.66"  # Raw Data
    with beside(Pacs([*images(), screen])):
        study = arrive(images())
        look()
    assert settled() == ["released"]
    assert completeness.sureness(study) == "6 of 7 by PACS; 1 of kinds that are not accepted here"


def test_what_is_in_quarantine_has_come(data: Path) -> None:
    with beside(Pacs(images())):
        study = arrive(images()[:5])
        burned = images()[5]
        burned.BurnedInAnnotation = "YES"
        arrive([burned])
        assert HeldItem.objects.count() == 1
        look()
    assert settled() == ["released"]
    assert completeness.sureness(study) == "6 of 6 by PACS"


@pytest.mark.parametrize("how", ["refusing", "no queries", "unknown", "silent", "no count"])
def test_a_pacs_that_cannot_say_leaves_quiet_time_alone(data: Path, how: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(counts, "ANSWERS_WITHIN", 1.0)
    over = threading.Event()
    pacs = Pacs([] if how == "unknown" else images())
    if how == "no queries":
        pacs.services = ("1.2.840.10008.5.1.4.1.2.2.2",)
    if how == "silent":
        pacs.before_finding = lambda event: over.wait(100)
    if how == "no count":
        pacs.find = _without_count
    with beside(pacs):
        if how == "refusing":
            Node.objects.update(port=free_port())
        study = arrive(images())
        look()
        over.set()
    assert settled() == ["released"]
    said = completeness.sureness(study)
    assert said.startswith("quiet for ")
    assert "PACS could not say more: " in said
    nobody_is_named(said)


def _without_count(pacs: Pacs, wanted: Dataset) -> Iterator[tuple[int, Dataset | None]]:
    if wanted.QueryRetrieveLevel == "STUDY":
        for status, answer in pacs.found(wanted):
            if answer is not None:
                del answer.NumberOfStudyRelatedInstances
            yield status, answer


def test_one_that_gives_no_count_is_asked_for_its_list(data: Path) -> None:
    def listing(pacs: Pacs, wanted: Dataset) -> Iterator[tuple[int, Dataset | None]]:
        yield from (
            _without_count(pacs, wanted) if wanted.QueryRetrieveLevel == "STUDY" else pacs.found(wanted)
        )

    with beside(Pacs(images(), find=listing)):
        study = arrive(images())
        look()
    assert settled() == ["released"]
    assert completeness.sureness(study) == "6 of 6 by PACS"


def test_one_that_answers_with_other_studies_is_not_believed(data: Path) -> None:
    others = [cast.ct(cast.StudyPlan(number=2), number) for number in (1, 2, 3)]

    def everything(pacs: Pacs, wanted: Dataset) -> Iterator[tuple[int, Dataset | None]]:
        del wanted.StudyInstanceUID
        wanted.StudyInstanceUID = ""
        yield from pacs.found(wanted)

    with beside(Pacs(others, find=everything)):
        study = arrive(images()[:2])
        look()
    assert "knows no such study" in completeness.sureness(study)
    assert settled() == ["released"]


def test_what_it_said_before_it_went_away_still_holds(data: Path) -> None:
    with beside(Pacs(images())):
        study = arrive(images()[:4])
        look()
    again()
    assert PacsCount.objects.get().trouble
    assert settled() == ["receiving"]
    assert completeness.sureness(study).startswith("4 of 6 by PACS")


def test_a_pacs_of_patient_root_is_asked_under_the_patient(data: Path) -> None:
    with beside(Pacs(images(), services=BY_PATIENT)):
        study = arrive(images())
        look()
    assert settled() == ["released"]
    assert completeness.sureness(study) == "6 of 6 by PACS"
    assert set(Entry.objects.filter(actor="counts").values_list("action", flat=True)) == {
        "identity.uid-viewed", "identity.viewed",
    }  # fmt: skip


def test_a_forgotten_person_has_no_way_back_and_waits_for_nobody(data: Path) -> None:
    with beside(Pacs(images())) as pacs:
        study = arrive(images())
        forget(Principal("officer", lambda permission: True), study.patient, study.project_id, "asked for it")
        look()
    assert counts.NO_WAY_BACK.rstrip(".") in completeness.sureness(study)
    assert not pacs.asked


def test_promise_10_a_pacs_that_hangs_keeps_no_other_waiting(data: Path) -> None:
    over = threading.Event()
    slow = Pacs([], ae_title="SLOW", before_finding=lambda event: over.wait(100))
    counting = Counting()
    with serving(slow), beside(Pacs(images())):
        study = arrive(images())
        counting.look()
        counting.wait(100)
        other = Node.objects.create(name="SLOW", ae_title="SLOW", host="127.0.0.1", port=slow.port)
        revision = Revision.objects.get()
        PacsCount.objects.all().delete()
        revision.pk = None
        revision.number, revision.state = 2, "complete"
        revision.save()
        slow_row = PacsCount.objects.create(
            revision=revision, node=other, total=6, since=timezone.now(), next_at=timezone.now()
        )
        Revision.objects.filter(pk=revision.pk).update(route=_another_route())
        Revision.objects.filter(pk=revision.pk).update(state="receiving")
        counting.look()
        _until(lambda: PacsCount.objects.exclude(settled_at=None).exists())
        assert PacsCount.objects.get(pk=slow_row.pk).settled_at is None
        over.set()
        counting.wait(100)
    assert study.revisions.count() == 2


def _another_route() -> Route:
    return Route.objects.create(called_ae="OTHER", project=Route.objects.get().project)


def _until(done: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_after_two_losses_the_others_of_a_round_do_not_call_any_more(data: Path, monkeypatch: Any) -> None:
    called: list[int] = []

    class Dead:
        def __init__(self, peer: object) -> None:
            called.append(1)
            raise Lost("The peer is away.")

    monkeypatch.setattr(counts, "Inquiry", Dead)
    with beside(Pacs(images())):
        study = arrive(images())
    line = counts._Line(Node.objects.get())
    answers = [line.answer(study) for _ in range(5)]
    assert answers == [completeness.Unheard("The peer is away.")] * 5
    assert len(called) == counts.LOSSES
