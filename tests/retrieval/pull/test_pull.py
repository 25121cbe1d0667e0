"""`manage.py pull` from a PACS that is well, and from one that is not: counted by what is here."""

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import override_settings
from django.utils import timezone
from pydicom.dataset import Dataset

from proxy import pipeline
from proxy.audit.models import Entry
from proxy.management.doctor import books
from proxy.management.pulling.alone import alone
from proxy.management.pulling.telling import Progress, aloud
from proxy.network import messages
from proxy.network.scp import Listener, ListenSettings
from proxy.network.tls import TlsFiles
from proxy.quarantine.models import HeldItem
from proxy.retrieval.models import Pull, PullItem
from proxy.retrieval.pulls import asking, book, bringing
from proxy.retrieval.pulls.book import Result
from proxy.retrieval.pulls.shelf import Shelf
from proxy.routing.models import Node
from proxy.routing.site import apply, read
from proxy.studies.models import Instance, Revision
from proxy.vault.models import Memo
from tests import cast
from tests.retrieval.pull.pacs import FIND, HERE, MOVE, Pacs, serving

pytestmark = [pytest.mark.django_db(transaction=True)]

SITE = """
projects: [{{name: default}}]
nodes: [{{name: ARCHIVE, ae_title: PACS, host: 127.0.0.1, port: {port}, may: []}},
        {{name: READING, ae_title: READING, host: 127.0.0.1, port: 104, may: []}}]
destinations: [{{name: outbox, kind: folder, path: outbox}}]
routes: [{{called_ae: DICOMRCV, project: default, destinations: [outbox]}}]
"""
ONE, TWO = cast.StudyPlan(), cast.StudyPlan(number=2, accession="ACC-77121", date="20240220")


def images(*plans: cast.StudyPlan, each: int = 3) -> list[Dataset]:
    return [
        cast.ct(plan, number, series=series)
        for plan in plans
        for series in (1, 2)
        for number in range(1, each + 1)
    ]


@contextmanager
def archive(pacs: Pacs) -> Iterator[Pacs]:
    with serving(pacs):
        apply(read(SITE.format(port=pacs.port)), "test")
        yield pacs


def run(*words: str, command: str = "pull") -> tuple[int, str]:
    """Exit code, and all that was said."""
    said = io.StringIO()
    try:
        call_command(command, "--from", "ARCHIVE", *words, stdout=said, stderr=said)
        return 0, said.getvalue()
    except SystemExit as ended:
        return int(str(ended.code)), said.getvalue()


def nobody_is_named(said: str) -> None:
    for needle in (*cast.NEEDLES, ONE.accession, TWO.accession, cast.ROOT):
        assert needle not in said


@contextmanager
def listening(tls: TlsFiles | None = None) -> Iterator[int]:
    door, close = pipeline.open_reception()
    listener = Listener(ListenSettings(port=0, bind=HERE, tls=tls), door)
    listener.start()
    try:
        yield listener.port
    finally:
        listener.stop(2.0)
        close()


def test_a_patient_is_pulled_by_c_get_and_nobody_is_named(data: Path) -> None:
    with archive(Pacs(images(ONE, TWO))) as pacs:
        code, said = run("--patient", cast.ADA.id)
    assert code == 0, said
    assert "2 of 2 studies are here: 12 of 12 images." in said
    assert Instance.objects.count() == 12
    assert pacs.count("get") == {"STUDY": 2}
    assert Pull.objects.get().state == "finished"
    assert not Memo.objects.exists(), "a UID is remembered that nobody needs any more"
    nobody_is_named(said)
    entries = list(Entry.objects.filter(action__startswith="images.").values_list("action", "detail"))
    assert [action for action, _ in entries] == ["images.asked-for", "images.pulled"]
    assert entries[1][1]["images"] == 12
    nobody_is_named(str(entries))


def test_practice_says_counts_and_fetches_nothing(data: Path) -> None:
    with archive(Pacs(images(ONE, TWO))) as pacs:
        code, said = run("--date-range", "20240201-", "--practice")
    assert code == 0
    assert "ARCHIVE lists 1 studies with 6 images." in said
    assert not pacs.given
    assert not Pull.objects.exists()
    assert Entry.objects.get(action="images.asked-for").detail["practice"] is True


def test_what_is_here_is_not_fetched_again(data: Path) -> None:
    with archive(Pacs(images(ONE))) as pacs:
        run("--accession", ONE.accession)
        pacs.images += [cast.ct(ONE, 4), cast.ct(ONE, 1, series=3)]
        before = len(pacs.given)
        code, said = run("--accession", ONE.accession)
    assert code == 0, said
    assert pacs.given[before:] == [ONE.sop_uid(4), ONE.sop_uid(1, 3)]
    assert pacs.asked[-2:] == [("get", "IMAGE"), ("get", "SERIES")]


def test_what_has_expired_is_fetched_again_but_not_twice_by_one_call(data: Path) -> None:
    with archive(Pacs(images(ONE))) as pacs:
        began = timezone.now()
        run("--accession", ONE.accession)
        Revision.objects.update(state="expired", files_gone_at=timezone.now())
        project_id = Revision.objects.get().study.project_id
        originals = [ONE.sop_uid(number) for number in (1, 2, 3)]
        assert Shelf(project_id, since=began).holds(originals) == set(originals)
        assert Shelf(project_id).holds(originals) == set()
        before = len(pacs.given)
        code, said = run("--accession", ONE.accession)
    assert code == 0, said
    assert (
        sorted(pacs.given[before:]) == sorted(pacs.given[:before]) and Instance.objects.count() == 2 * before
    )


def test_what_the_pacs_lists_and_does_not_give_is_missing_and_the_same_call_goes_on(data: Path) -> None:
    with archive(Pacs(images(ONE, TWO), withheld={ONE.sop_uid(2)})) as pacs:
        code, said = run("--patient", cast.ADA.id)
        assert code == 1
        assert "1 of 2 studies are here: 11 of 12 images." in said
        assert "1 study: 1 of 6 images are not here." in said
        assert Pull.objects.get().state == "short"
        nobody_is_named(said)
        pacs.withheld.clear()
        before = len(pacs.given)
        code, said = run("--patient", cast.ADA.id)
    assert code == 0, said
    assert "Going on with what was begun: 1 of 2 studies are here." in said
    assert pacs.given[before:] == [ONE.sop_uid(2)]
    assert Pull.objects.get().state == "finished"
    assert not Memo.objects.exists()


def test_anew_asks_the_pacs_again(data: Path) -> None:
    with archive(Pacs(images(ONE), withheld={ONE.sop_uid(2)})) as pacs:
        run("--patient", cast.ADA.id)
        pacs.images, pacs.withheld = images(ONE, TWO), set()
        code, said = run("--patient", cast.ADA.id, "--anew")
    assert code == 0, said
    assert Instance.objects.count() == 12
    assert list(Pull.objects.order_by("pk").values_list("state", flat=True)) == ["dropped", "finished"]
    assert not Memo.objects.exists()


def test_doctor_tells_of_what_nobody_goes_on_with_and_a_person_drops_it(data: Path) -> None:
    with archive(Pacs(images(ONE, TWO), withheld={ONE.sop_uid(2)})):
        run("--patient", cast.ADA.id)
    assert [one.level for one in books.examine_pulls()] == ["ok"]
    Pull.objects.update(asked_at=timezone.now() - timedelta(days=2))
    finding = next(iter(books.examine_pulls()))
    assert finding.level == "warn"
    assert "from ARCHIVE is not finished, 1 study left" in finding.sentence
    assert Memo.objects.count() == 1
    assert book.drop(Pull.objects.get(), timezone.now()) is True
    assert book.drop(Pull.objects.get(), timezone.now()) is False
    assert not Memo.objects.exists()
    assert [one.level for one in books.examine_pulls()] == ["ok"]


def test_a_pacs_without_c_get_moves_to_our_listener_after_a_canary(data: Path) -> None:
    with archive(Pacs(images(ONE, TWO), services=(FIND, MOVE))) as pacs, listening() as port:
        pacs.knows["DICOMRCV"] = port
        code, said = run("--patient", cast.ADA.id)
    assert code == 0, said
    assert "12 of 12 images" in said
    moves = [level for service, level in pacs.asked if service == "move"]
    assert moves[0] == "IMAGE"
    assert moves.count("STUDY") == 2
    assert Instance.objects.count() == 12


def test_unless_the_canary_arrives_nothing_more_is_asked(data: Path) -> None:
    astray = Pacs([], ae_title="ASTRAY")
    with serving(astray), archive(Pacs(images(ONE, TWO), services=(FIND, MOVE))) as pacs:
        pacs.knows["DICOMRCV"] = astray.port
        code, said = run("--patient", cast.ADA.id, "--canary-within", "0.5")
    assert code == 1
    assert "where its entry for the AE title DICOMRCV leads" in said
    assert [level for service, level in pacs.asked if service == "move"] == ["IMAGE"]
    assert len(pacs.given) == 1
    assert PullItem.objects.filter(state="waiting").count() == 2


def test_a_study_of_which_nothing_comes_though_the_pacs_says_so_is_the_last(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bringing, "SETTLES", 0.5)
    astray = Pacs([], ae_title="ASTRAY")
    with serving(astray), archive(Pacs(images(ONE, TWO), services=(FIND, MOVE))) as pacs, listening() as port:
        pacs.knows["DICOMRCV"] = port
        pacs.before_moving = lambda event: pacs.knows.update(
            DICOMRCV=astray.port if len(pacs.given) > 6 else port
        )
        code, said = run("--patient", cast.ADA.id, "--by", "move")
    assert code == 1
    assert "none of them is here: nothing more is asked" in said
    assert "1 of 2 studies are here: 6 of 12 images." in said


def test_a_pacs_that_does_not_know_us_says_so_once(data: Path) -> None:
    with archive(Pacs(images(ONE), services=(FIND, MOVE))) as pacs:
        code, said = run("--patient", cast.ADA.id)
    assert code == 1
    assert "does not know the AE title to move to" in said
    assert "on which `listen` runs" in said
    assert pacs.count("move") == {"IMAGE": 1}


def test_without_a_list_of_images_nothing_is_moved(data: Path) -> None:
    def no_images(pacs: Pacs, wanted: Dataset) -> Iterator[tuple[int, Dataset | None]]:
        if wanted.QueryRetrieveLevel == "STUDY":
            yield from pacs.found(wanted)

    with archive(Pacs(images(ONE), services=(FIND, MOVE), find=no_images)) as pacs:
        code, said = run("--patient", cast.ADA.id)
    assert code == 1
    assert "no canary" in said
    assert not pacs.count("move")


def test_without_a_list_of_images_c_get_is_held_against_the_number(data: Path) -> None:
    def no_images(pacs: Pacs, wanted: Dataset) -> Iterator[tuple[int, Dataset | None]]:
        if wanted.QueryRetrieveLevel == "STUDY":
            yield from pacs.found(wanted)

    with archive(Pacs(images(ONE), find=no_images, withheld={ONE.sop_uid(1)})) as pacs:
        code, said = run("--patient", cast.ADA.id)
        assert code == 1
        assert "The PACS says that it has 6 images and gave 5." in said
        pacs.withheld.clear()
        code, said = run("--patient", cast.ADA.id)
    assert code == 0, said


def test_by_get_nothing_else_will_do(data: Path) -> None:
    with archive(Pacs(images(ONE), services=(FIND, MOVE))) as pacs:
        code, said = run("--patient", cast.ADA.id, "--by", "get")
    assert code == 1
    assert "does not give images by C-GET" in said
    assert not pacs.count("move")


def test_what_a_gate_holds_has_arrived(data: Path) -> None:
    held = cast.ct(ONE, 9)
    held.BurnedInAnnotation = "YES"
    with archive(Pacs([*images(ONE), held])) as pacs:
        code, said = run("--study", ONE.uid)
        assert code == 0, said
        assert HeldItem.objects.count() == 1
        before = len(pacs.given)
        assert run("--study", ONE.uid)[0] == 0
        assert len(pacs.given) == before


@override_settings(DISK_WATERMARK=10**9)
def test_what_is_refused_here_is_said_and_not_asked_for_twice(data: Path) -> None:
    with archive(Pacs(images(ONE))) as pacs:
        code, said = run("--study", ONE.uid)
    assert code == 1
    assert "6 of 6 images are not here." in said
    assert "6 were refused here: see the log." in said
    assert pacs.count("get") == {"STUDY": 1}


def test_a_class_that_we_do_not_accept_is_left_out_and_counted(data: Path) -> None:
    other = cast.ct(ONE, 9)
    other.SOPClassUID = other.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    with archive(Pacs([*images(ONE), other])) as pacs:
        code, said = run("--study", ONE.uid)
    assert code == 0, said
    assert "6 of 7 images, 1 left out because we do not accept their class." in said
    assert str(other.SOPInstanceUID) not in pacs.given


@override_settings(DICOM_MODE="private")
def test_a_node_without_rights_is_asked_and_not_let_in(data: Path) -> None:
    with archive(Pacs(images(ONE))):
        assert run("--study", ONE.uid)[0] == 0
    assert Instance.objects.count() == 6


def test_a_node_is_asked_by_one_call_at_a_time(data: Path) -> None:
    with archive(Pacs(images(ONE))) as pacs:
        with alone(Node.objects.get(name="ARCHIVE").pk), pytest.raises(CommandError, match="Another pull"):
            run("--study", ONE.uid)
        assert not pacs.asked
        assert run("--study", ONE.uid)[0] == 0


def test_an_outside_node_is_not_pulled_from(data: Path) -> None:
    with archive(Pacs(images(ONE))) as pacs:
        Node.objects.filter(name="ARCHIVE").update(outside=True)
        with pytest.raises(CommandError, match="they come home"):
            run("--study", ONE.uid)
    assert not pacs.asked


def test_a_rate_spares_the_pacs(data: Path) -> None:
    with archive(Pacs(images(ONE))):
        began = time.monotonic()
        code, said = run("--study", ONE.uid, "--rate", "6")
    assert code == 0, said
    assert time.monotonic() - began >= 1.0


def test_nothing_is_asked_before_its_hours_begin(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Waited(Exception):
        pass

    def sleep(seconds: float) -> None:
        raise Waited

    hour = (timezone.localtime() + timedelta(hours=2)).hour
    with archive(Pacs(images(ONE))) as pacs:
        monkeypatch.setattr("proxy.management.pulling.options.sleep", sleep)
        with pytest.raises(Waited):
            run("--study", ONE.uid, "--between", f"{hour:02}:00-{hour:02}:30")
    assert not pacs.asked


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--max", "0"), "--max"),
        (("--rate", "-1"), "--rate"),
        (("--rate", "nan"), "--rate"),
        (("--canary-within", "nan"), "--canary-within"),
        (("--between", "8-9"), "give hours as 22:00-06:00"),
        (("--query-file", "nowhere.csv"), "cannot be read"),
    ],
)
def test_options_that_cannot_be_are_refused(data: Path, words: tuple[str, ...], why: str) -> None:
    given = () if "--query-file" in words else ("--study", ONE.uid)
    with archive(Pacs([])) as pacs, pytest.raises(CommandError, match=why):
        run(*given, *words)
    assert not pacs.asked


def test_the_route_of_the_called_ae_decides_the_project(data: Path) -> None:
    with (
        archive(Pacs(images(ONE))),
        pytest.raises(CommandError, match="No route takes what ARCHIVE sends to OTHER"),
    ):
        run("--study", ONE.uid, "--as-called", "OTHER")


# --- a PACS that is not well ------------------------------------------------------------------------


def test_a_pacs_that_is_away_is_told_of(data: Path) -> None:
    with archive(Pacs([])):
        pass
    with pytest.raises(CommandError, match="cannot be reached"):
        run("--study", ONE.uid)
    assert not Pull.objects.exclude(state="asking").exists()


def answering(*answers: Dataset, status: int = 0xFF00) -> Any:
    def find(pacs: Pacs, wanted: Dataset) -> Iterator[tuple[int, Dataset | None]]:
        if wanted.QueryRetrieveLevel == "STUDY":
            yield from ((status, one) for one in answers)
        else:
            yield from pacs.found(wanted)

    return find


def answer(**values: Any) -> Dataset:
    told = Dataset()
    usual = {"QueryRetrieveLevel": "STUDY", "PatientID": cast.ADA.id, "StudyInstanceUID": ONE.uid}
    for keyword, value in {**usual, **values}.items():
        setattr(told, keyword, value)
    return told


def test_answers_without_uids_of_others_and_twice_are_left_out(data: Path) -> None:
    find = answering(
        answer(StudyInstanceUID=""), answer(PatientID=cast.BEN.id), answer(), answer(),
        answer(NumberOfStudyRelatedInstances="-5"),
    )  # fmt: skip
    with archive(Pacs(images(ONE), find=find)):
        code, said = run("--patient", cast.ADA.id)
    assert code == 0, said
    assert "1 answers are left out: without a Study Instance UID." in said
    assert "1 answers are left out: of another study than was asked for." in said
    assert PullItem.objects.count() == 1
    nobody_is_named(said)


def test_a_number_that_is_higher_than_the_list_is_for_a_person(data: Path) -> None:
    find = answering(answer(NumberOfStudyRelatedInstances="9"))
    with archive(Pacs(images(ONE), find=find)):
        code, said = run("--patient", cast.ADA.id)
    assert code == 1
    assert "1 study: The PACS says that it has 9 images and lists 6." in said
    assert Instance.objects.count() == 6


def test_a_refusal_is_told_by_its_number(data: Path) -> None:
    def refuse(pacs: Pacs, wanted: Dataset) -> Iterator[tuple[int, Dataset | None]]:
        yield 0xA700, None

    with archive(Pacs([], find=refuse)), pytest.raises(CommandError, match="0xA700"):
        run("--patient", cast.ADA.id)


def endless(pacs: Pacs, wanted: Dataset) -> Iterator[tuple[int, Dataset | None]]:
    for number in range(1, 200_000):
        yield 0xFF00, answer(StudyInstanceUID=f"1.2.3.{number}")


def test_more_than_max_is_cancelled_and_said(data: Path) -> None:
    with archive(Pacs([], find=endless)) as pacs:
        code, said = run("--patient", cast.ADA.id, "--max", "50", "--practice")
    assert code == 0
    assert "ARCHIVE lists 50 studies" in said
    assert "It has more: only the first 50 are taken (--max)." in said
    assert pacs.cancelled == 1


def test_pending_for_ever_is_left(data: Path, settings: Any) -> None:
    settings.DICOM_DIMSE_TIMEOUT = 1
    stop = threading.Event()
    with archive(Pacs([], before_finding=lambda event: pending(event, stop))):
        with pytest.raises(CommandError, match="has not moved on"):
            run("--patient", cast.ADA.id)
        stop.set()


def pending(event: Any, stop: threading.Event) -> None:
    """Without a result, over and over."""
    said = messages.retrieve_response(
        0x8020, FIND, event.request.MessageID, 0xFF00, (None, 0, 0, 0), has_data=False
    )
    while not stop.wait(0.1):
        for pdu in messages.fragments(event.context.context_id, messages.COMMAND, said, 16384):
            event.assoc.dul.socket.send(pdu)


def test_a_pacs_that_does_not_answer_is_left(data: Path, settings: Any) -> None:
    settings.DICOM_DIMSE_TIMEOUT = 1
    stop = threading.Event()
    with archive(Pacs([], before_finding=lambda event: stop.wait(10))):
        with pytest.raises(CommandError, match="has not moved on"):
            run("--patient", cast.ADA.id)
        stop.set()


def test_a_pacs_that_answers_without_end_is_left(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ignores the key, and would list everybody it has."""
    monkeypatch.setattr(asking, "MOST_ANSWERS", 300)
    with archive(Pacs([], find=endless)) as pacs, pytest.raises(CommandError, match="say more exactly"):
        run("--patient", cast.BEN.id)
    assert pacs.cancelled == 1


def test_c_get_that_gives_nothing_and_says_success_is_short(data: Path) -> None:
    withheld = {str(one.SOPInstanceUID) for one in images(ONE)}
    with archive(Pacs(images(ONE), withheld=withheld)) as pacs:
        code, said = run("--patient", cast.ADA.id)
    assert code == 1
    assert "6 of 6 images are not here." in said
    assert pacs.count("get") == {"STUDY": 1}, "what brings nothing is not asked again at once"


def test_a_pacs_that_hangs_up_in_the_middle_is_asked_for_the_rest(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.retrieval.pulls.running.PAUSES", (0.1, 0.1))
    broken: list[int] = []

    def hang_up(number: int) -> None:
        if number == 3 and not broken:
            broken.append(number)
            raise ConnectionError

    with archive(Pacs(images(ONE), before_giving=hang_up)) as pacs:
        code, said = run("--patient", cast.ADA.id)
    assert code == 0, said
    assert sorted(pacs.given) == sorted(set(pacs.given)), "something was fetched twice"


def test_a_study_that_the_pacs_cannot_give_keeps_no_other_waiting(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.retrieval.pulls.running.PAUSES", (0.1, 0.1))

    def break_off(event: Any) -> None:
        if getattr(event.identifier, "StudyInstanceUID", "") == ONE.uid:
            event.assoc.abort()

    with archive(Pacs(images(ONE, TWO), before_asking=break_off)) as pacs:
        code, said = run("--patient", cast.ADA.id)
        assert code == 1
        assert "1 of 2 studies are here" in said
        assert "1 study: The peer ended the association before its answer was complete." in said
        pacs.before_asking = lambda event: None
        assert run("--patient", cast.ADA.id)[0] == 0


def test_a_pacs_that_goes_away_is_not_called_for_every_study(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.retrieval.pulls.running.PAUSES", (0.0, 0.0))
    plans = [cast.StudyPlan(number=number) for number in range(1, 8)]
    with archive(Pacs(images(*plans, each=1), before_asking=lambda event: event.assoc.abort())) as pacs:
        code, said = run("--patient", cast.ADA.id)
        assert code == 1
        assert PullItem.objects.filter(state="waiting").count() == 4
        pacs.before_asking = lambda event: None
        code, said = run("--patient", cast.ADA.id)
    assert code == 0, said
    assert "7 of 7 studies are here" in said


def test_a_query_file_is_read_line_by_line(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "wanted.csv"
    file.write_text(
        f"accession,patient\n\n# ours\n{ONE.accession},\n{TWO.accession},{cast.ADA.id}\n{ONE.accession},\n"
    )
    with archive(Pacs(images(ONE, TWO))) as pacs:
        code, said = run("--query-file", str(file))
    assert code == 0, said
    assert "2 of 2 studies" in said
    assert pacs.count("find")["STUDY"] == 2


def test_a_bad_line_is_named_by_its_number_only(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "wanted.csv"
    file.write_text(f"patient\n{cast.ADA.id}\n{cast.BEN.id}*\n")
    with (
        archive(Pacs([])),
        pytest.raises(CommandError, match="Line 3: The patient has a wildcard") as refused,
    ):
        run("--query-file", str(file))
    nobody_is_named(str(refused.value))


def test_what_is_said_stands_in_a_file_at_once(tmp_path: Path) -> None:
    """A call that waits for the night would otherwise look as if it hung."""
    with (tmp_path / "log").open("w") as log:
        aloud(log)("Waiting until 20:00.\n")
        assert (tmp_path / "log").read_text() == "Waiting until 20:00.\n"


def test_progress_is_written_over_and_over_on_a_terminal_and_nowhere_else() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, expected in ((Terminal(), "\r1 of 2 studies, 1 images asked for came"), (io.StringIO(), "")):
        progress = Progress(stream)
        progress.of(2)
        progress.image()
        progress.study(Result(1, 1))
        progress.end()
        assert expected in stream.getvalue()
        assert bool(stream.getvalue()) is stream.isatty()


# --- dispatch -------------------------------------------------------------------------------------


def test_a_dispatch_moves_to_another_node_and_is_counted_by_what_the_pacs_says(data: Path) -> None:
    shelf: list[str] = []
    with reading(shelf) as port, archive(Pacs(images(ONE, TWO))) as pacs:
        pacs.knows["READING"] = port
        code, said = run("--to", "READING", "--patient", cast.ADA.id, command="dispatch")
    assert code == 0, said
    assert "2 of 2 studies are moved: 12 of 12 images." in said
    assert len(shelf) == 12
    assert not Instance.objects.exists()
    entry = Entry.objects.get(action="images.dispatched")
    assert entry.detail["to"] == "READING"
    assert Pull.objects.get().to == Node.objects.get(name="READING")
    nobody_is_named(said + str(entry.detail))


def test_a_dispatch_falls_short_where_the_pacs_does(data: Path) -> None:
    with archive(Pacs(images(ONE))):
        code, said = run("--to", "READING", "--patient", cast.ADA.id, command="dispatch")
    assert code == 1
    assert "does not know the AE title" in said


@contextmanager
def reading(shelf: list[str]) -> Iterator[int]:
    from pynetdicom import AE, evt
    from pynetdicom.presentation import StoragePresentationContexts

    from tests.cluster import free_port

    def store(event: evt.Event) -> int:
        shelf.append(event.request.AffectedSOPInstanceUID)
        return 0

    ae, port = AE("READING"), free_port()
    for context in StoragePresentationContexts:
        ae.add_supported_context(context.abstract_syntax, context.transfer_syntax)
    server = ae.start_server((HERE, port), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    try:
        yield port
    finally:
        server.shutdown()
