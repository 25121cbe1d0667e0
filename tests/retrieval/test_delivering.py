"""With DICOM_ANONYMIZE_PATIENTS=False originals go to whoever may see them, and to everybody else nothing."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.test import override_settings
from django.utils import timezone
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)
from pynetdicom import AE, evt
from pynetdicom.presentation import build_context

from proxy import pipeline
from proxy.audit.models import Entry
from proxy.backend.models import Standing
from proxy.deliveries import ledger, work
from proxy.deliveries.models import Delivery
from proxy.pipeline import ORIGINALS
from proxy.retrieval import delivering, opening, restoring
from proxy.retrieval.delivering import _Originals, granted
from proxy.routing.match import RouteFacts, load_table
from proxy.routing.models import Destination, Node, Project, Route
from proxy.storage import keys
from proxy.studies.models import Instance
from proxy.vault import reidentify, seals
from proxy.vault.forget import forget
from proxy.vault.models import Seal
from proxy.vault.reidentify import Principal
from tests import cast
from tests.deliveries.test_commitment import Archive, serving
from tests.reception.sending import encode, send
from tests.reception.test_masked import ultrasound

pytestmark = [pytest.mark.django_db(transaction=True)]

ALL = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
CLASSES = ["1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.6.1"]
SOMEBODY = Principal("a test", lambda permission: True)
MARKS = "identity.instance-restored"


@dataclass
class Shelf:
    """A PACS: encoded data sets by SOP Instance UID, and the syntaxes they came in."""

    data: dict[str, bytes] = field(default_factory=dict)
    syntaxes: list[str] = field(default_factory=list)
    before: Callable[[int], None] = lambda number: None

    def store(self, event: evt.Event) -> int:
        self.before(len(self.data))
        self.data[str(event.request.AffectedSOPInstanceUID)] = event.request.DataSet.getvalue()
        self.syntaxes.append(str(event.context.transfer_syntax))
        return 0


@pytest.fixture
def shelf() -> Iterator[tuple[Shelf, int]]:
    shelf = Shelf()
    ae = AE(ae_title="CLIN")
    ae.supported_contexts = [build_context(one, [*ALL, JPEGBaseline8Bit]) for one in CLASSES]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, shelf.store)])
    assert server is not None
    yield shelf, server.socket.getsockname()[1]
    server.shutdown()


@pytest.fixture(autouse=True)
def said_explicitly() -> Iterator[None]:
    with override_settings(DICOM_ANONYMIZE_PATIENTS=False):
        yield


def to_hospital(port: int, **changes: object) -> Node:
    """A route to a node with the identified view, and its grant."""
    project, _ = Project.objects.get_or_create(name="default")
    said = {
        "view": "identified",
        "networks": ["127.0.0.1/32"],
        "grant": {"purpose": "treatment", "until": "2099-01-01"},
        **changes,
    }
    node = Node.objects.create(name="CLIN", ae_title="CLIN", host="127.0.0.1", port=port, **said)
    node.projects.add(project)
    clinic = Destination.objects.create(name="clinic", kind="dimse", node=node)
    Route.objects.create(called_ae="DICOMRCV", project=project).destinations.add(clinic)
    return node


def inward() -> RouteFacts:
    found = load_table().route_for("DICOMRCV", "CT_EAST")
    assert found is not None
    return found


def received(*images: int, syntax: str = ExplicitVRLittleEndian) -> dict[str, bytes]:
    """Images of Ada, sent to us: the data sets as they were, by their UIDs."""
    sent = {}
    for number in images or (1, 2, 3):
        assert send(inward(), cast.ct(instance=number), syntax) == 0
        sent[cast.StudyPlan().sop_uid(number)] = encode(cast.ct(instance=number), syntax)
    return sent


def deliver() -> Delivery:
    """Everything that is due, once."""
    later = timezone.now() + timedelta(hours=1)
    pipeline.settle(later)
    for _ in range(Delivery.objects.count()):
        work.deliver_one(later, ORIGINALS)
    return Delivery.objects.latest("pk")


def retried() -> Delivery:
    Delivery.objects.update(state="waiting", next_try_at=timezone.now())
    return deliver()


@pytest.mark.parametrize("associations", [1, 4])
def test_promise_6_the_identified_destination_gets_what_was_sent_byte_for_byte(
    shelf: tuple[Shelf, int], data: Path, associations: int
) -> None:
    to_hospital(shelf[1])
    Destination.objects.update(associations=associations)
    sent = received(*range(1, 9))
    assert (deliver().state, shelf[0].data) == ("delivered", sent)
    for path in data.rglob("*"):
        assert not any(needle.encode() in path.read_bytes() for needle in cast.NEEDLES if path.is_file())


@pytest.mark.parametrize("syntax", ALL)
def test_in_each_transfer_syntax(shelf: tuple[Shelf, int], syntax: str) -> None:
    to_hospital(shelf[1])
    sent = received(1, syntax=syntax)
    assert (deliver().state, shelf[0].data, shelf[0].syntaxes) == ("delivered", sent, [syntax])


def test_a_masked_image_gets_its_own_frames_and_syntax_back(shelf: tuple[Shelf, int], tmp_path: Path) -> None:
    (tmp_path / "masked.yaml").write_text("extends: basic\nburned-in: mask\n")
    to_hospital(shelf[1])
    masking = replace(inward(), recipe=str(tmp_path / "masked.yaml"))
    assert send(masking, ultrasound(), JPEGBaseline8Bit) == 0
    assert Instance.objects.get().transfer_syntax == ExplicitVRLittleEndian
    assert deliver().state == "delivered"
    assert shelf[0].data == {str(ultrasound().SOPInstanceUID): encode(ultrasound(), JPEGBaseline8Bit)}
    assert shelf[0].syntaxes == [JPEGBaseline8Bit]


def test_promise_9_one_mark_for_a_person_and_a_delivery_before_the_first_byte(
    shelf: tuple[Shelf, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "TOGETHER", 2)
    marked: list[int] = []
    shelf[0].before = lambda number: marked.append(Entry.objects.filter(action=MARKS).count())
    to_hospital(shelf[1])
    received(*range(1, 6))
    deliver()
    assert marked == [1] * 5
    mark = Entry.objects.get(action=MARKS)
    assert (mark.actor, mark.purpose) == ("node CLIN", "treatment")
    assert mark.subject == Instance.objects.all()[0].revision.study.patient
    assert mark.detail["instances"] == 5


def test_a_destination_that_is_away_costs_no_look(shelf: tuple[Shelf, int]) -> None:
    node = to_hospital(1)
    received()
    assert deliver().state == "waiting"
    assert not Entry.objects.filter(action=MARKS).exists()
    Node.objects.filter(pk=node.pk).update(port=shelf[1])
    Destination.objects.update(rests_until=None)
    assert retried().state == "delivered"
    assert Entry.objects.filter(action=MARKS).count() == 1


def test_with_true_nothing_changes_whatever_the_view(shelf: tuple[Shelf, int]) -> None:
    to_hospital(shelf[1])
    received()
    with override_settings(DICOM_ANONYMIZE_PATIENTS=True):
        assert deliver().state == "delivered"
    assert set(shelf[0].data) == set(Instance.objects.values_list("uid", flat=True))
    assert not any(needle.encode() in one for one in shelf[0].data.values() for needle in cast.NEEDLES)
    assert not Entry.objects.filter(action=MARKS).exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"view": "pseudonymous"},
        {"networks": []},
        {"grant": None},
        {"grant": {"purpose": "treatment", "until": "2020-01-01"}},
    ],
)
def test_promise_1_whoever_lacks_what_the_view_takes_gets_nothing(
    shelf: tuple[Shelf, int], changes: dict[str, object]
) -> None:
    to_hospital(shelf[1], **changes)
    received()
    delivery = deliver()
    assert (delivery.state, shelf[0].data) == ("refused", {})
    assert "identified view" in delivery.reason and delivery.reason.endswith("retry.")
    assert not Entry.objects.filter(action=MARKS).exists()


def test_promise_1_nor_does_one_of_other_projects(shelf: tuple[Shelf, int]) -> None:
    node = to_hospital(shelf[1])
    node.projects.set([Project.objects.create(name="other")])
    received()
    assert (deliver().state, shelf[0].data) == ("refused", {})


@pytest.mark.parametrize("as_zip", [True, False])
def test_promise_1_nor_does_a_folder(shelf: tuple[Shelf, int], data: Path, as_zip: bool) -> None:
    to_hospital(shelf[1])
    outbox = Destination.objects.create(name="outbox", kind="folder", path="outbox", as_zip=as_zip)
    Route.objects.get().destinations.add(outbox)
    sent = received()
    deliver()
    refused = Delivery.objects.get(destination=outbox)
    assert refused.state == "refused"
    assert "DICOM_ANONYMIZE_PATIENTS" in refused.reason
    assert not (data / "outbox").exists()
    assert shelf[0].data == sent
    assert all(line.difference == 0 for line in ledger.balance())


def test_promise_1_nor_does_anybody_from_a_process_that_cannot_restore(shelf: tuple[Shelf, int]) -> None:
    to_hospital(shelf[1])
    received()
    later = timezone.now() + timedelta(hours=1)
    pipeline.settle(later)
    assert work.deliver_one(later)
    assert (Delivery.objects.get().state, shelf[0].data) == ("refused", {})


@contextmanager
def committing(judge: Callable[[int], tuple[list[int], list[int]]]) -> Iterator[Archive]:
    """A PACS that keeps what it gets, and commits to originals by the last number of their UIDs."""
    archive = Archive(judge)
    with serving(archive) as port:
        to_hospital(port)
        Destination.objects.update(commitment=True)
        yield archive


def test_a_destination_commits_to_the_originals_that_it_got() -> None:
    with committing(lambda number: ([1, 2, 3], [])) as archive:
        sent = received()
        delivery = deliver()
    assert (delivery.state, delivery.acknowledged, delivery.committed) == ("delivered", 3, 3)
    assert sorted(archive.stored) == sorted(sent)
    looks = Entry.objects.filter(action=MARKS)
    assert [(one.actor, one.detail["instances"]) for one in looks] == [("node CLIN", 3)] * 2


def test_an_original_that_is_not_committed_is_sent_again() -> None:
    with committing(lambda number: ([1, 3], [2]) if number == 1 else ([2], [])) as archive:
        received()
        delivery = deliver()
        assert (delivery.state, delivery.acknowledged, delivery.committed) == ("waiting", 2, 2)
        assert retried().state == "delivered"
    assert archive.stored[3:] == [cast.StudyPlan().sop_uid(2)]


def test_of_an_original_whose_seal_is_gone_nothing_is_asked() -> None:
    with committing(lambda number: ([1, 2, 3], [])) as archive:
        received()
        deliver()
        Delivery.objects.update(commits=b"", committed=0)
        Seal.objects.all().delete()
        assert retried().state == "refused"
    assert len(archive.asked) == 1


@pytest.mark.parametrize(("decides", "got"), [(True, 3), (False, 0)])
def test_a_backend_s_no_counts_only_where_the_site_lets_it_decide(
    shelf: tuple[Shelf, int], decides: bool, got: int
) -> None:
    to_hospital(shelf[1])
    sent = received()
    Standing.objects.create(pk=1, anonymize=False)
    said = {"ITH_URL": "https://backend.example", "ITH_DECIDES_ANONYMIZATION": decides}
    with override_settings(DICOM_ANONYMIZE_PATIENTS=True, **said):
        assert deliver().state == "delivered"
    assert len(sent.keys() & shelf[0].data.keys()) == got


def test_every_reason_fits(shelf: tuple[Shelf, int]) -> None:
    from proxy.deliveries import originals

    said = [originals.NO_NODE, originals.NO_WAY, delivering.NOT_ALLOWED, delivering.GONE]
    assert max(map(len, said)) <= 255


def test_a_forgotten_person_is_nobody_s_any_more(shelf: tuple[Shelf, int], tmp_path: Path) -> None:
    to_hospital(shelf[1])
    received()
    patient = Instance.objects.all()[0].revision.study.patient
    with override_settings(FORGOTTEN_FILE=tmp_path / "forgotten"):
        forget(SOMEBODY, patient, inward().project_id, "their wish")
    delivery = deliver()
    assert (delivery.state, delivery.reason, shelf[0].data) == ("refused", delivering.GONE, {})


def test_without_keys_it_waits_and_nothing_goes_in_its_place(shelf: tuple[Shelf, int]) -> None:
    to_hospital(shelf[1])
    sent = received()
    away = settings.KEY_DIR.with_name("away")
    shutil.copytree(settings.KEY_DIR, away)
    (settings.KEY_DIR / keys.MASTER).unlink()
    pipeline.settle(timezone.now() + timedelta(hours=1))
    Delivery.objects.update(next_try_at=timezone.now())
    assert work.deliver_one(timezone.now(), ORIGINALS)
    delivery = Delivery.objects.get()
    assert (delivery.state, shelf[0].data) == ("waiting", {})
    assert "keys" in delivery.reason.lower()
    shutil.rmtree(settings.KEY_DIR)
    shutil.move(away, settings.KEY_DIR)
    assert (retried().state, shelf[0].data) == ("delivered", sent)


def test_a_seal_that_is_gone_or_broken_refuses_its_image_alone(shelf: tuple[Shelf, int]) -> None:
    to_hospital(shelf[1])
    sent = received(*range(1, 5))
    first, second, _, _ = Instance.objects.order_by("ordinal")
    Seal.objects.filter(sop_uid=first.uid).delete()
    Seal.objects.filter(sop_uid=second.uid).update(token=b"rubbish")
    delivery = deliver()
    assert (delivery.state, delivery.acknowledged) == ("refused", 2)
    assert "doctor" in delivery.reason
    assert shelf[0].data == {uid: one for uid, one in sent.items() if uid.endswith((".3", ".4"))}


def test_a_file_that_was_changed_on_disk_is_refused_alone(
    shelf: tuple[Shelf, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is made while it goes out turns out wrong at its end: the half of it is never a whole, and the rest goes."""
    monkeypatch.setattr(restoring, "AT_ONCE", 600)
    to_hospital(shelf[1])
    sent = received(*range(1, 5))
    path = Path(settings.DICOM_STORAGE_DIR) / "studies" / Instance.objects.order_by("ordinal")[1].path
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    delivery = deliver()
    assert (delivery.state, delivery.acknowledged) == ("refused", 3)
    assert "doctor" in delivery.reason
    assert shelf[0].data == {uid: one for uid, one in sent.items() if not uid.endswith(".2")}


def test_a_grant_that_ends_stops_a_long_delivery(
    shelf: tuple[Shelf, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "TOGETHER", 2)
    node = to_hospital(shelf[1])
    sent = received(*range(1, 7))
    ended = {"purpose": "treatment", "until": "2020-01-01"}

    def end(number: int) -> None:
        Node.objects.filter(pk=node.pk).update(grant=ended)

    shelf[0].before = end
    delivery = deliver()
    assert (delivery.state, delivery.acknowledged) == ("refused", 2)
    assert "grant" in delivery.reason
    assert len(shelf[0].data) == 2
    shelf[0].before = lambda number: None
    Node.objects.filter(pk=node.pk).update(grant={**ended, "until": "2099-01-01"})
    assert (retried().state, shelf[0].data) == ("delivered", sent)


def test_a_person_who_is_forgotten_meanwhile_stops_it_too(
    shelf: tuple[Shelf, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(opening, "TOGETHER", 2)
    to_hospital(shelf[1])
    received(*range(1, 7))
    patient, project_id = Instance.objects.all()[0].revision.study.patient, inward().project_id

    def forgotten(number: int) -> None:
        if number == 0:
            with override_settings(FORGOTTEN_FILE=tmp_path / "forgotten"):
                forget(SOMEBODY, patient, project_id, "their wish")

    shelf[0].before = forgotten
    delivery = deliver()
    assert (delivery.state, delivery.acknowledged, len(shelf[0].data)) == ("refused", 2, 2)
    assert delivering.GONE in delivery.reason


def test_many_persons_an_hour_are_no_trouble_of_a_delivery(shelf: tuple[Shelf, int]) -> None:
    """The limit is for those who ask; this the site sends by itself. Each has its mark all the same."""
    to_hospital(shelf[1])
    plans = [cast.StudyPlan(), cast.StudyPlan(patient=cast.BEN, number=2)]
    for plan in plans:
        assert send(inward(), cast.ct(plan)) == 0
    with override_settings(IDENTITY_PERSONS_PER_HOUR=1):
        deliver()
    assert len(shelf[0].data) == Entry.objects.filter(action=MARKS).count() == 2


def test_promise_11_seals_are_read_page_by_page(
    shelf: tuple[Shelf, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "TOGETHER", 3)
    node = to_hospital(shelf[1])
    received(*range(1, 8))
    rows = list(Instance.objects.order_by("ordinal"))
    study = rows[0].revision.study
    make = delivering.restoring(node.pk, study.project_id, study.patient, [row.uid for row in rows])
    root = Path(settings.DICOM_STORAGE_DIR) / "studies"
    asked: list[int] = []
    find = seals.find

    def counted(project_id: int, uids: Sequence[str]) -> Iterator[seals.Found]:
        asked.append(len(uids))
        return find(project_id, uids)

    monkeypatch.setattr(seals, "find", counted)
    for row in rows:
        make(row.uid, row.transfer_syntax, root / row.path)
    assert asked == [3, 3, 1]


def test_what_makes_originals_shows_nothing_of_itself(shelf: tuple[Shelf, int]) -> None:
    node = to_hospital(shelf[1])
    project_id = inward().project_id
    assert granted(node.pk, project_id).purpose == "treatment"
    made = delivering.restoring(node.pk, project_id, "ANON-X", ["2.25.1"])
    assert isinstance(made, _Originals)
    assert "ANON-X" not in repr(made)


def test_an_image_of_somebody_for_whom_no_mark_was_left_is_not_made(shelf: tuple[Shelf, int]) -> None:
    to_hospital(shelf[1])
    received()
    read = reidentify.restoring_in_turn(SOMEBODY, "ANON-X", ["2.25.1"], inward().project_id, "a test")
    uid = Instance.objects.all()[0].uid
    with pytest.raises(LookupError):
        read([uid])(uid)
