"""C-GET and C-MOVE against the real listener, with images that came in by C-STORE: byte for byte what was sent for
whoever may see it, and clean for everybody else.
"""

import hashlib
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, build_role, evt
from pynetdicom.dimse_primitives import C_GET
from pynetdicom.presentation import StoragePresentationContexts, build_context

from proxy import pipeline
from proxy.audit.models import Entry
from proxy.deid import split
from proxy.network import reading, scu
from proxy.network.contexts import (
    PATIENT_ROOT_GET,
    PATIENT_ROOT_MOVE,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
)
from proxy.network.peer import Peer
from proxy.network.scp import Listener, ListenSettings
from proxy.retrieval import images as retrieval
from proxy.retrieval import opening, restoring
from proxy.routing.site import apply, read
from proxy.studies.models import Instance, Revision, Study
from proxy.vault.forget import forget
from proxy.vault.models import Seal
from proxy.vault.reidentify import Principal
from tests import cast
from tests.cluster import free_port
from tests.network.people import outgoing, wait_for
from tests.reception.sending import encode
from tests.tools import debian

pytestmark = [pytest.mark.django_db(transaction=True)]

HERE = "127.0.0.1"
SITE = """
projects: [{{name: default}}, {{name: other}}]
nodes:
- {{name: CT, ae_title: CT_EAST, host: 127.0.0.1, port: 104, may: [store]}}
- {{name: OUTSIDE, ae_title: OUTSIDE, host: 127.0.0.1, port: {port}, may: [find, retrieve]}}
- {{name: ELSEWHERE, ae_title: ELSEWHERE, host: 127.0.0.1, port: 104, may: [retrieve], projects: [other]}}
- name: CLIN
  ae_title: CLIN
  host: 127.0.0.1
  port: {port}
  may: [find, retrieve]
  view: identified
  networks: [127.0.0.1/32]
  projects: [default]
  grant: {{purpose: treatment, until: 2099-01-01}}
destinations: [{{name: outbox, kind: folder, path: outbox}}]
routes: [{{called_ae: DICOMRCV, project: default, destinations: [outbox]}}]
"""


@dataclass
class Shelf:
    """Somebody who takes images: encoded data sets by SOP Instance UID, and who is said to have moved them."""

    port: int
    data: dict[str, bytes] = field(default_factory=dict)
    movers: set[tuple[str, int]] = field(default_factory=set)
    statuses: dict[str, int] = field(default_factory=dict)

    def store(self, event: evt.Event) -> int:
        request = event.request
        uid = str(request.AffectedSOPInstanceUID)
        self.data[uid] = request.DataSet.getvalue()
        if request.MoveOriginatorApplicationEntityTitle:
            self.movers.add((request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID))
        return self.statuses.get(uid, 0)


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """The receiver of C-MOVE; its AE title is not asked for."""
    shelf = Shelf(free_port())
    ae = AE(ae_title="SHELF")
    ae.supported_contexts = StoragePresentationContexts[:100]
    server = ae.start_server((HERE, shelf.port), block=False, evt_handlers=[(evt.EVT_C_STORE, shelf.store)])
    yield shelf
    server.shutdown()


@pytest.fixture
def listener(shelf: Shelf) -> Iterator[Listener]:
    apply(read(SITE.format(port=shelf.port)), "test")
    door, close = pipeline.open_reception()
    listener = Listener(ListenSettings(port=0, bind=HERE, acse_timeout=30), door)
    listener.start()
    yield listener
    listener.stop(1)
    close()
    connections.close_all()


def images() -> list[Dataset]:
    """Two studies of Ada, one of Ben; the first in two series."""
    ada, again = cast.StudyPlan(), cast.StudyPlan(number=2, date="20240220")
    ben = cast.StudyPlan(patient=cast.BEN, number=3)
    return [
        cast.ct(ada, instance=1),
        cast.ct(ada, instance=2),
        cast.ct(ada, instance=1, series=2),
        cast.ct(again, instance=1),
        cast.ct(ben, instance=1),
    ]


@pytest.fixture
def sent(listener: Listener, tmp_path: Path) -> dict[str, bytes]:
    """The data sets as they were sent, by original SOP Instance UID."""
    files = []
    for number, image in enumerate(images()):
        files.append(outgoing(image, tmp_path, number))
    peer = Peer("DICOMRCV", HERE, listener.port, calling_ae="CT_EAST")
    summary = scu.send(peer, files, lambda result: None, lambda: True)
    assert summary.stored == 5
    return {str(image.SOPInstanceUID): encode(image) for image in images()}


def clean() -> dict[str, bytes]:
    """What lies on our disk, by pseudonymous UID."""
    root = Path(settings.DICOM_STORAGE_DIR) / "studies"
    return {row.uid: bytes(split((root / row.path).read_bytes()).dataset) for row in Instance.objects.all()}


@dataclass
class Got:
    """What an asker heard: each response, and what was given over its association."""

    statuses: list[int] = field(default_factory=list)
    last: Dataset = field(default_factory=Dataset)
    identifier: Dataset | None = None
    data: dict[str, bytes] = field(default_factory=dict)


def keys(level: str, **values: Any) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for keyword, value in values.items():
            setattr(identifier, keyword, value)
    return identifier


def get(
    listener: Listener,
    who: str,
    identifier: Dataset,
    model: str = STUDY_ROOT_GET,
    syntaxes: tuple[str, ...] = (ExplicitVRLittleEndian,),
    status: Callable[[str], int] = lambda uid: 0,
    on_first: Callable[[Any], None] = lambda association: None,
) -> Got:
    got = Got()

    def store(event: evt.Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        got.data[uid] = event.request.DataSet.getvalue()
        if len(got.data) == 1:
            on_first(event.assoc)
        return status(uid)

    ae = AE(ae_title=who)
    contexts = [build_context(model), build_context(CTImageStorage, list(syntaxes))]
    roles = [build_role(CTImageStorage, scp_role=True)]
    association = ae.associate(
        HERE, listener.port, contexts, "DICOMRCV", ext_neg=roles, evt_handlers=[(evt.EVT_C_STORE, store)]
    )
    assert association.is_established
    for answer, found in association.send_c_get(identifier, model):
        got.statuses.append(int(answer.Status) if "Status" in answer else -1)
        got.last, got.identifier = answer, found
    association.release()
    return got


def move(listener: Listener, who: str, identifier: Dataset, to: str, model: str = STUDY_ROOT_MOVE) -> Got:
    got = Got()
    ae = AE(ae_title=who)
    ae.add_requested_context(model)
    association = ae.associate(HERE, listener.port, ae_title="DICOMRCV")
    assert association.is_established
    for answer, found in association.send_c_move(identifier, to, model):
        got.statuses.append(int(answer.Status))
        got.last, got.identifier = answer, found
    association.release()
    return got


def counts(answer: Dataset) -> tuple[int, int, int]:
    return (
        answer.NumberOfCompletedSuboperations,
        answer.NumberOfFailedSuboperations,
        answer.NumberOfWarningSuboperations,
    )


class TestPseudonymous:
    def test_every_level_gives_the_clean_files(self, listener: Listener, sent: dict[str, bytes]) -> None:
        stored = clean()
        study = Study.objects.order_by("pk").first()
        assert study is not None
        rows = Instance.objects.filter(revision__study=study).order_by("pk")
        first = rows[0]
        wanted = {
            "PATIENT": (
                keys("PATIENT", PatientID=study.patient),
                Instance.objects.filter(revision__study__patient=study.patient),
            ),
            "STUDY": (keys("STUDY", StudyInstanceUID=study.uid), rows),
            "SERIES": (
                keys("SERIES", StudyInstanceUID=study.uid, SeriesInstanceUID=first.series.uid),
                rows.filter(series=first.series),
            ),
            "IMAGE": (
                keys(
                    "IMAGE",
                    StudyInstanceUID=study.uid,
                    SeriesInstanceUID=first.series.uid,
                    SOPInstanceUID=first.uid,
                ),
                rows.filter(pk=first.pk),
            ),
        }
        for level, (identifier, expected) in wanted.items():
            for model in (PATIENT_ROOT_GET,) if level == "PATIENT" else (PATIENT_ROOT_GET, STUDY_ROOT_GET):
                got = get(listener, "OUTSIDE", identifier, model)
                assert got.data == {row.uid: stored[row.uid] for row in expected}, (level, model)
                assert got.statuses == [0xFF00] * (len(got.data) - 1) + [0x0000]
                assert counts(got.last) == (len(got.data), 0, 0)
        for data in stored.values():
            assert not [needle for needle in cast.NEEDLES if needle.encode() in data]

    def test_a_list_of_uids(self, listener: Listener, sent: dict[str, bytes]) -> None:
        uids = list(Study.objects.order_by("pk").values_list("uid", flat=True)[:2])
        got = get(listener, "OUTSIDE", keys("STUDY", StudyInstanceUID=uids))
        assert len(got.data) == Instance.objects.filter(revision__study__uid__in=uids).count() == 4

    def test_promise_8_original_keys_mean_nothing(self, listener: Listener, sent: dict[str, bytes]) -> None:
        for identifier in (
            keys("STUDY", StudyInstanceUID=cast.StudyPlan().uid),
            keys("PATIENT", PatientID=cast.ADA.id),
        ):
            got = get(listener, "OUTSIDE", identifier, PATIENT_ROOT_GET)
            assert (got.statuses, got.data) == ([0x0000], {})

    def test_another_project_s_images_are_out_of_sight(
        self, listener: Listener, sent: dict[str, bytes]
    ) -> None:
        uid = Study.objects.values_list("uid", flat=True)[0]
        got = get(listener, "ELSEWHERE", keys("STUDY", StudyInstanceUID=uid))
        assert (got.statuses, got.data) == ([0x0000], {})

    def test_a_syntax_that_the_peer_does_not_take_is_decoded(
        self, listener: Listener, sent: dict[str, bytes]
    ) -> None:
        row = Instance.objects.order_by("pk")[0]
        identifier = keys("IMAGE", SOPInstanceUID=row.uid)
        got = get(listener, "OUTSIDE", identifier, syntaxes=(ImplicitVRLittleEndian,))
        assert got.statuses == [0]
        image = dcmread(BytesIO(got.data[row.uid]), force=True)
        assert image.SOPInstanceUID == row.uid

    def test_images_that_the_peer_refuses_are_named(self, listener: Listener, sent: dict[str, bytes]) -> None:
        study = Study.objects.order_by("pk")[0]
        bad = str(Instance.objects.filter(revision__study=study).order_by("pk")[0].uid)
        identifier = keys("STUDY", StudyInstanceUID=study.uid)
        got = get(listener, "OUTSIDE", identifier, status=lambda uid: 0xA700 if uid == bad else 0)
        assert (got.statuses[-1], counts(got.last)) == (0xB000, (2, 1, 0))
        assert got.identifier is not None
        assert got.identifier.FailedSOPInstanceUIDList == bad
        got = get(listener, "OUTSIDE", identifier, status=lambda uid: 0xC000)
        assert (got.statuses[-1], counts(got.last)) == (0xA702, (0, 3, 0))
        got = get(listener, "OUTSIDE", identifier, status=lambda uid: 0xB000)
        assert (got.statuses[-1], counts(got.last)) == (0xB000, (0, 0, 3))

    def test_a_file_that_is_gone_fails_alone(self, listener: Listener, sent: dict[str, bytes]) -> None:
        study = Study.objects.order_by("pk")[0]
        row = Instance.objects.filter(revision__study=study)[0]
        (Path(settings.DICOM_STORAGE_DIR) / "studies" / row.path).unlink()
        got = get(listener, "OUTSIDE", keys("STUDY", StudyInstanceUID=study.uid))
        assert (got.statuses[-1], counts(got.last)) == (0xB000, (2, 1, 0))

    def test_what_expires_between_the_count_and_the_images_has_failed(
        self, listener: Listener, sent: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        study = Study.objects.order_by("pk")[0]
        honest = retrieval.offers

        def late(*args: Any) -> Any:
            Revision.objects.filter(study=study).update(state="expired")
            yield from honest(*args)

        monkeypatch.setattr(retrieval, "offers", late)
        got = get(listener, "OUTSIDE", keys("STUDY", StudyInstanceUID=study.uid))
        assert (got.statuses[-1], counts(got.last), got.data) == (0xA702, (0, 3, 0), {})

    def test_without_a_context_for_it_an_image_fails(
        self, listener: Listener, sent: dict[str, bytes]
    ) -> None:
        study = Study.objects.order_by("pk")[0]
        ae = AE(ae_title="OUTSIDE")
        ae.add_requested_context(STUDY_ROOT_GET)
        association = ae.associate(HERE, listener.port, ae_title="DICOMRCV")
        answers = list(association.send_c_get(keys("STUDY", StudyInstanceUID=study.uid), STUDY_ROOT_GET))
        association.release()
        assert answers[-1][0].Status == 0xA702

    @pytest.mark.parametrize(
        "identifier",
        [
            keys("STUDY"),
            keys("STUDY", StudyInstanceUID=""),
            keys("STUDY", StudyInstanceUID="1.2.*"),
            keys("SERIES", StudyInstanceUID="1.2.3"),
            keys("SERIES", StudyInstanceUID=["1.2.3", "1.2.4"], SeriesInstanceUID="1.2.5"),
            keys("PATIENT", PatientID="*"),
            keys("PATIENT", PatientID="A"),
            keys("GALAXY", StudyInstanceUID="1.2.3"),
            keys("STUDY", StudyInstanceUID=[f"1.2.{one}" for one in range(10_001)]),
        ],
    )
    def test_what_cannot_be_meant(self, listener: Listener, identifier: Dataset) -> None:
        """A patient is no level of the study root, and wildcards are for queries."""
        got = get(listener, "OUTSIDE", identifier, STUDY_ROOT_GET)
        assert got.statuses == [0xA900]


class TestIdentified:
    @pytest.mark.parametrize("level", ["PATIENT", "STUDY", "SERIES", "IMAGE"])
    def test_promise_6_what_was_sent_comes_back_byte_for_byte(
        self, listener: Listener, sent: dict[str, bytes], level: str
    ) -> None:
        plan = cast.StudyPlan()
        identifier = {
            "PATIENT": keys("PATIENT", PatientID=cast.ADA.id),
            "STUDY": keys("STUDY", PatientID=cast.ADA.id, StudyInstanceUID=plan.uid),
            "SERIES": keys("SERIES", StudyInstanceUID=plan.uid, SeriesInstanceUID=plan.series_uid(1)),
            "IMAGE": keys("IMAGE", StudyInstanceUID=plan.uid, SOPInstanceUID=plan.sop_uid(2)),
        }[level]
        expected = {"PATIENT": 4, "STUDY": 3, "SERIES": 2, "IMAGE": 1}[level]
        got = get(listener, "CLIN", identifier, PATIENT_ROOT_GET)
        assert got.statuses[-1] == 0
        assert len(got.data) == expected
        assert got.data == {uid: sent[uid] for uid in got.data}

    def test_promise_9_every_look_leaves_its_mark_under_the_grant(
        self, listener: Listener, sent: dict[str, bytes]
    ) -> None:
        get(listener, "CLIN", keys("STUDY", StudyInstanceUID=cast.StudyPlan().uid))
        patient = Instance.objects.order_by("pk")[0].revision.study.patient
        mark = Entry.objects.get(action="identity.instance-restored")
        assert (mark.actor, mark.subject, mark.purpose) == ("node CLIN", patient, "treatment")
        assert mark.detail["instances"] == 3
        given = Entry.objects.get(action="images.given")
        assert (given.actor, given.detail["given"]) == ("node CLIN", 3)

    def test_whoever_is_forgotten_meanwhile_is_given_no_more(
        self, listener: Listener, sent: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The second image may have been restored while the first one's answer was waited for; the third is not."""
        monkeypatch.setattr(opening, "TOGETHER", 1)
        study = Instance.objects.order_by("pk")[0].revision.study
        house = Principal("the house", lambda permission: True)

        def meanwhile(_: Any) -> None:
            forget(house, study.patient, study.project_id, "their wish")

        identifier = keys("STUDY", StudyInstanceUID=cast.StudyPlan().uid)
        got = get(listener, "CLIN", identifier, on_first=meanwhile)
        assert got.statuses[-1] == 0xB000
        assert cast.StudyPlan().sop_uid(1) in got.data
        assert cast.StudyPlan().sop_uid(1, 2) not in got.data

    def test_an_image_without_its_seal_fails_alone(self, listener: Listener, sent: dict[str, bytes]) -> None:
        Seal.objects.filter(sop_uid=Instance.objects.order_by("pk")[0].uid).delete()
        got = get(listener, "CLIN", keys("STUDY", StudyInstanceUID=cast.StudyPlan().uid))
        assert (got.statuses[-1], counts(got.last)) == (0xB000, (2, 1, 0))

    def test_promise_1_an_image_that_was_changed_on_disk_is_not_given(
        self, listener: Listener, sent: dict[str, bytes]
    ) -> None:
        row = Instance.objects.order_by("pk")[0]
        path = Path(settings.DICOM_STORAGE_DIR) / "studies" / row.path
        data = bytearray(path.read_bytes())
        data[-5] ^= 1
        path.chmod(0o600)
        path.write_bytes(data)
        got = get(listener, "CLIN", keys("STUDY", StudyInstanceUID=cast.StudyPlan().uid))
        assert (got.statuses[-1], counts(got.last)) == (0xB000, (2, 1, 0))
        assert set(got.data) == {cast.StudyPlan().sop_uid(2), cast.StudyPlan().sop_uid(1, 2)}

    @pytest.mark.parametrize("whole", [True, False], ids=["files", "pixels"])
    @pytest.mark.parametrize("moved", [True, False], ids=["C-MOVE", "C-GET"])
    def test_promise_1_nobody_s_name_is_put_on_another_image(
        self, listener: Listener, sent: dict[str, bytes], shelf: Shelf, whole: bool, moved: bool
    ) -> None:
        """Two images of one study and one size, of which one has the other's pixels, or its whole file."""
        root = Path(settings.DICOM_STORAGE_DIR) / "studies"
        one, other = (root / row.path for row in Instance.objects.order_by("pk")[:2])
        pixels = -2 * 64 * 64
        data = other.read_bytes() if whole else one.read_bytes()[:pixels] + other.read_bytes()[pixels:]
        assert data != one.read_bytes()
        one.chmod(0o600)
        one.write_bytes(data)
        identifier = keys("STUDY", StudyInstanceUID=cast.StudyPlan().uid)
        got = move(listener, "CLIN", identifier, "CLIN") if moved else get(listener, "CLIN", identifier)
        given = shelf.data if moved else got.data
        assert (got.statuses[-1], counts(got.last)) == (0xB000, (2, 1, 0))
        assert given == {uid: sent[uid] for uid in given}
        assert set(given) == {cast.StudyPlan().sop_uid(2), cast.StudyPlan().sop_uid(1, 2)}

    def test_promise_1_a_file_that_lost_its_end_is_not_given(
        self, listener: Listener, sent: dict[str, bytes]
    ) -> None:
        path = Path(settings.DICOM_STORAGE_DIR) / "studies" / Instance.objects.order_by("pk")[0].path
        path.chmod(0o600)
        for size in (path.stat().st_size - 2, 200, 0):
            with path.open("r+b") as file:
                file.truncate(size)
            got = get(listener, "CLIN", keys("STUDY", StudyInstanceUID=cast.StudyPlan().uid))
            assert (got.statuses[-1], counts(got.last)) == (0xB000, (2, 1, 0))
            assert got.data == {uid: sent[uid] for uid in got.data}

    def test_a_syntax_that_the_peer_does_not_take_is_decoded(
        self, listener: Listener, sent: dict[str, bytes]
    ) -> None:
        identifier = keys("IMAGE", SOPInstanceUID=cast.StudyPlan().sop_uid(1))
        got = get(listener, "CLIN", identifier, syntaxes=(ImplicitVRLittleEndian,))
        [data] = got.data.values()
        image = dcmread(BytesIO(data), force=True)
        assert image.PatientName == cast.ADA.name


class TestMoving:
    def test_to_a_node(self, listener: Listener, sent: dict[str, bytes], shelf: Shelf) -> None:
        study = Study.objects.order_by("pk")[0]
        got = move(listener, "OUTSIDE", keys("STUDY", StudyInstanceUID=study.uid), "OUTSIDE")
        assert got.statuses == [0xFF00, 0xFF00, 0x0000]
        stored = clean()
        assert shelf.data == {uid: stored[uid] for uid in shelf.data}
        assert (len(shelf.data), shelf.movers) == (3, {("OUTSIDE", 1)})

    def test_identified_to_an_identified_node(
        self, listener: Listener, sent: dict[str, bytes], shelf: Shelf
    ) -> None:
        got = move(listener, "CLIN", keys("PATIENT", PatientID=cast.ADA.id), "CLIN", PATIENT_ROOT_MOVE)
        assert got.statuses[-1] == 0
        assert shelf.data == {uid: sent[uid] for uid in shelf.data}
        assert len(shelf.data) == 4

    @pytest.mark.parametrize(("who", "to"), [("CLIN", "OUTSIDE"), ("OUTSIDE", "CLIN")])
    def test_promise_8_the_view_is_the_lesser_of_both(
        self, listener: Listener, sent: dict[str, bytes], shelf: Shelf, who: str, to: str
    ) -> None:
        study = Study.objects.order_by("pk")[0]
        got = move(listener, who, keys("STUDY", StudyInstanceUID=study.uid), to)
        assert got.statuses[-1] == 0
        stored = clean()
        assert len(shelf.data) == 3
        assert shelf.data == {uid: stored[uid] for uid in shelf.data}
        assert not Entry.objects.filter(action="identity.instance-restored").exists()

    def test_an_unknown_destination(self, listener: Listener, sent: dict[str, bytes], shelf: Shelf) -> None:
        study = Study.objects.order_by("pk")[0]
        got = move(listener, "OUTSIDE", keys("STUDY", StudyInstanceUID=study.uid), "NOBODY")
        assert got.statuses == [0xA801]
        assert Entry.objects.get(action="images.refused").actor == "node OUTSIDE"

    def test_a_destination_that_is_away(self, listener: Listener, sent: dict[str, bytes]) -> None:
        study = Study.objects.order_by("pk")[0]
        got = move(listener, "OUTSIDE", keys("STUDY", StudyInstanceUID=study.uid), "CT_EAST")
        assert (got.statuses[-1], counts(got.last)) == (0xA702, (0, 3, 0))
        assert got.identifier is not None
        assert len(got.identifier.FailedSOPInstanceUIDList) == 3


class TestStopping:
    def test_a_cancelled_retrieval_says_what_is_left(
        self, listener: Listener, sent: dict[str, bytes]
    ) -> None:
        def cancel(association: Any) -> None:
            [context] = [
                one for one in association.accepted_contexts if one.abstract_syntax == STUDY_ROOT_GET
            ]
            association.send_c_cancel(1, context.context_id)

        study = Study.objects.order_by("pk")[0]
        got = get(listener, "OUTSIDE", keys("STUDY", StudyInstanceUID=study.uid), on_first=cancel)
        assert got.statuses[-1] == 0xFE00
        assert 1 <= len(got.data) < 3
        left = got.last.NumberOfRemainingSuboperations
        assert left + sum(counts(got.last)) == 3
        assert len(get(listener, "OUTSIDE", keys("STUDY", StudyInstanceUID=study.uid)).data) == 3

    def test_a_cancel_that_comes_too_late_stops_nobody(
        self, listener: Listener, sent: dict[str, bytes]
    ) -> None:
        study = Study.objects.order_by("pk")[0]
        ae = AE(ae_title="OUTSIDE")
        contexts = [build_context(STUDY_ROOT_GET), build_context(CTImageStorage, ExplicitVRLittleEndian)]
        association = ae.associate(
            HERE,
            listener.port,
            contexts,
            "DICOMRCV",
            ext_neg=[build_role(CTImageStorage, scp_role=True)],
            evt_handlers=[(evt.EVT_C_STORE, lambda event: 0)],
        )
        context = association.accepted_contexts[0].context_id
        for _ in range(2):  # the same Message ID both times
            answers = list(association.send_c_get(keys("STUDY", StudyInstanceUID=study.uid), STUDY_ROOT_GET))
            assert answers[-1][0].Status == 0x0000
            association.send_c_cancel(1, context)
        association.release()

    def test_whoever_aborts_costs_nobody_else(self, listener: Listener, sent: dict[str, bytes]) -> None:
        study = Study.objects.order_by("pk")[0]
        identifier = keys("STUDY", StudyInstanceUID=study.uid)

        def hang_up(association: Any) -> None:
            association.dul.socket.close()

        got = get(listener, "OUTSIDE", identifier, on_first=hang_up)
        assert len(got.data) < 3
        assert len(get(listener, "OUTSIDE", identifier).data) == 3
        given = [
            entry.detail["given"] for entry in Entry.objects.filter(action="images.given").order_by("pk")
        ]
        assert given[-1] == 3

    def test_promise_1_a_long_image_that_turns_out_wrong_is_never_whole(
        self, listener: Listener, sent: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is made while it goes out is checked before its last fragment goes."""
        monkeypatch.setattr(restoring, "AT_ONCE", 600)
        monkeypatch.setattr(reading, "WINDOW", 4096)
        row = Instance.objects.order_by("pk")[0]
        identifier = keys("IMAGE", SOPInstanceUID=cast.StudyPlan().sop_uid(1))
        assert list(get(listener, "CLIN", identifier).data.values()) == [sent[cast.StudyPlan().sop_uid(1)]]
        path = Path(settings.DICOM_STORAGE_DIR) / "studies" / row.path
        data = bytearray(path.read_bytes())
        data[-5] ^= 1
        path.chmod(0o600)
        path.write_bytes(data)
        got = get(listener, "CLIN", identifier)
        assert (got.data, 0 in got.statuses) == ({}, False)

    def test_rubbish_in_the_place_of_an_identifier(self, listener: Listener) -> None:
        heard: list[int] = []
        ae = AE(ae_title="OUTSIDE")
        ae.add_requested_context(STUDY_ROOT_GET)
        handlers: Any = [(evt.EVT_DIMSE_RECV, lambda event: heard.append(event.message.command_set.Status))]
        association = ae.associate(HERE, listener.port, ae_title="DICOMRCV", evt_handlers=handlers)
        request = C_GET()
        request.MessageID, request.AffectedSOPClassUID, request.Priority = 1, STUDY_ROOT_GET, 2
        request.Identifier = BytesIO(b"\x08\x00\x52\x00\xff\xff\xff\x7fSTUDY")
        association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
        wait_for(lambda: heard == [0xA900])
        association.release()


class TestWhoMay:
    def test_who_may_only_store_finds_it_not_offered(self, listener: Listener) -> None:
        ae = AE(ae_title="CT_EAST")
        ae.add_requested_context(STUDY_ROOT_GET)
        ae.add_requested_context(STUDY_ROOT_MOVE)
        assert not ae.associate(HERE, listener.port, ae_title="DICOMRCV").is_established

    def test_promise_9_an_attempt_leaves_its_mark(self, listener: Listener) -> None:
        ae = AE(ae_title="CT_EAST")
        ae.add_requested_context(STUDY_ROOT_GET)
        ae.associate(HERE, listener.port, ae_title="DICOMRCV")
        mark = Entry.objects.get(action="images.refused")
        assert (mark.actor, "may retrieve" in mark.detail["why"]) == ("node CT", True)

    def test_nor_does_a_stranger_or_one_whose_grant_has_run_out(
        self, listener: Listener, shelf: Shelf
    ) -> None:
        site = SITE.format(port=shelf.port)
        apply(read(site.replace("2099-01-01", "2020-01-01")), "test")
        time.sleep(1.1)  # the snapshot of the configuration is a second old at most
        for who in ("STRANGER", "CLIN"):
            ae = AE(ae_title=who)
            ae.add_requested_context(STUDY_ROOT_GET)
            assert not ae.associate(HERE, listener.port, ae_title="DICOMRCV").is_established


@contextmanager
def tool(name: str, *words: str) -> Iterator["subprocess.CompletedProcess[str]"]:
    yield subprocess.run(
        [debian(name), *words],
        env={"TCP_NODELAY": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


class TestDcmtk:
    def test_getscu(self, listener: Listener, sent: dict[str, bytes], tmp_path: Path) -> None:
        folder = tmp_path / "got"
        folder.mkdir()
        words = ["-S", "-aet", "CLIN", "-aec", "DICOMRCV", "+B", "-od", str(folder), HERE, str(listener.port)]
        uid = cast.StudyPlan().uid
        with tool(
            "getscu", *words, "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uid}"
        ) as done:
            assert done.returncode == 0, done.stdout + done.stderr
        data = {
            hashlib.sha256(bytes(split(one.read_bytes()).dataset)).hexdigest() for one in folder.iterdir()
        }
        wanted = {
            hashlib.sha256(value).hexdigest()
            for name, value in sent.items()
            if name.startswith(cast.StudyPlan().uid + ".")
        }
        assert data == wanted
        assert len(wanted) == 3

    def test_movescu(self, listener: Listener, sent: dict[str, bytes], shelf: Shelf, tmp_path: Path) -> None:
        words = ["-P", "-aet", "CLIN", "-aec", "DICOMRCV", "-aem", "CLIN", HERE, str(listener.port)]
        with tool(
            "movescu", *words, "-k", "QueryRetrieveLevel=PATIENT", "-k", f"PatientID={cast.BEN.id}"
        ) as done:
            assert done.returncode == 0, done.stdout + done.stderr
        [(uid, data)] = shelf.data.items()
        assert data == sent[uid]
