"""The doctor says what is wrong and what to do, ends with 1 if anything is, and mends only what is safe."""

import json
import os
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from threading import Thread

import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django.utils import timezone

from proxy.audit.models import Entry
from proxy.deliveries.models import Delivery
from proxy.management.doctor.findings import examine, ok
from proxy.retrieval.models import Homecoming, Result
from proxy.routing.models import Destination, Node, Project, Route
from proxy.studies.models import Instance, Revision
from proxy.vault import seals, studykeys
from proxy.vault.models import Seal
from proxy.vault.pseudonyms import known_by
from tests.cast import NEEDLES
from tests.house import House
from tests.scene import NOW, Scene
from tests.unguarded import unguard

OLD = time.time() - 7200


def doctor(*options: str) -> tuple[str, int]:
    out = StringIO()
    try:
        call_command("doctor", *options, stdout=out)
    except SystemExit as end:
        return out.getvalue(), int(str(end.code))
    return out.getvalue(), 0


def lay(path: Path, old: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"0123456789")
    if old:
        os.utime(path, (OLD, OLD))
    return path


@pytest.fixture(autouse=True)
def quiet_ports(settings: LazySettings) -> Iterator[None]:
    """Ports at which nobody listens."""
    free = [socket.socket() for _ in range(2)]
    for one in free:
        one.bind(("127.0.0.1", 0))
    settings.DICOM_PORT, settings.API_PORT = (one.getsockname()[1] for one in free)
    settings.DICOM_BIND_ADDRESS = settings.API_BIND_ADDRESS = "127.0.0.1"
    yield
    for one in free:
        one.close()


@pytest.fixture
def whole(scene: Scene, own_folders: Path) -> Scene:
    """The scene with every file, seal and key in its place, and no peer to ask."""
    known = known_by(scene.person)
    studykeys.keep(studykeys.rows(known, scene.study.uid, "ACC-1", "AE-1"))
    for row in Instance.objects.all():
        lay(own_folders / "studies" / row.path)
        seals.keep([seals.seal_row(known, row.project_id, row.uid, b"sealed")])
    lay(own_folders / "quarantine" / scene.item.path)
    Delivery.objects.all().delete()
    Destination.objects.filter(kind="dimse").update(retired_at=timezone.now())
    return scene


def test_a_house_in_order_has_nothing_wrong(whole: Scene) -> None:
    said, code = doctor()
    assert code == 0, said
    assert "Nothing is wrong." in said and "FAIL" not in said
    assert "every row has its file" in said and "The audit chain is whole" in said


def test_its_lines_name_nobody(whole: Scene) -> None:
    said, _ = doctor()
    assert not [needle for needle in NEEDLES if needle in said]


def test_looking_changes_nothing(whole: Scene, own_folders: Path) -> None:
    lay(own_folders / "studies" / "1/2.25.1/left.dcm")
    before = sorted(str(path) for path in own_folders.rglob("*")), Entry.objects.count()
    doctor()
    assert (sorted(str(path) for path in own_folders.rglob("*")), Entry.objects.count()) == before


def test_a_lost_image_is_wrong_and_cannot_be_mended(whole: Scene, own_folders: Path) -> None:
    path = Instance.objects.order_by("pk")[0].path
    (own_folders / "studies" / path).unlink()
    said, code = doctor("--repair")
    assert code == 1 and "1 file of the index gone from disk; restore from a backup." in said


def test_an_old_file_without_a_row_is_removed_and_a_young_one_stays(whole: Scene, own_folders: Path) -> None:
    old = lay(own_folders / "studies/1/2.25.1/crashed.dcm")
    young = lay(own_folders / "studies/1/2.25.1/on-its-way.dcm", old=False)
    held = lay(own_folders / "quarantine/1/crashed.sealed")
    sealed = lay(own_folders / "vault/1/aa/crashed.seal")
    part = lay(own_folders / "studies/1/2.25.1/x.dcm.00ff.part")
    said, code = doctor("--repair")
    assert code == 0, said
    assert said.count("mended") == 4
    assert young.exists() and not any(path.exists() for path in (old, held, sealed, part))
    assert all((own_folders / "studies" / row.path).exists() for row in Instance.objects.all())
    assert "mended" not in doctor("--repair")[0]


def test_a_held_image_without_its_file_is_wrong(whole: Scene, own_folders: Path) -> None:
    (own_folders / "quarantine" / whole.item.path).unlink()
    said, code = doctor()
    assert code == 1 and "1 held image without a file" in said


def test_images_and_seals_must_be_pairs(whole: Scene) -> None:
    first, _ = Seal.objects.order_by("pk")
    Seal.objects.filter(pk=first.pk).update(sop_uid="2.25.999")
    said, code = doctor()
    assert code == 1
    assert "1 image without a seal" in said and "1 seal of no image" in said


def test_expired_revisions_need_no_files(whole: Scene, own_folders: Path) -> None:
    for row in Instance.objects.all():
        (own_folders / "studies" / row.path).unlink()
    Revision.objects.update(state="expired")
    assert "every row has its file" in doctor()[0]


def test_a_counter_that_drifted_is_recounted(whole: Scene) -> None:
    delivery = Delivery.objects.create(
        revision=whole.revision,
        destination=Destination.objects.get(name="outbox"),
        state="delivered",
        next_try_at=timezone.now(),
        created_at=timezone.now(),
        total=2,
        acknowledged=1,
        acks=b"\x03",
        committed=2,
        commits=b"\x02",
    )
    assert "1 delivery with another count" in doctor()[0]
    said, _ = doctor("--repair")
    assert "Recounted 1 delivery." in said
    delivery.refresh_from_db()
    assert (delivery.acknowledged, delivery.committed) == (2, 1)


def test_work_that_nobody_does_is_wrong(whole: Scene) -> None:
    long_ago = timezone.now() - timedelta(hours=1)
    Revision.objects.update(state="receiving", quiet_at=long_ago)
    said, code = doctor()
    assert code == 1 and "start `manage.py work`" in said


def test_deliveries_to_a_retired_destination_wait_for_a_person(whole: Scene) -> None:
    """It was said that they are tried again by themselves."""
    gone = Destination.objects.get(kind="dimse")
    facts = {"state": "waiting", "attempts": 3, "total": 2, "next_try_at": NOW, "created_at": NOW}
    Delivery.objects.create(revision=whole.revision, destination=gone, **facts)
    said, _ = doctor()
    assert "1 delivery to a retired destination" in said and "by itself" not in said


def test_a_tampered_audit_is_wrong(whole: Scene) -> None:
    unguard()
    Entry.objects.filter(sequence=1).update(actor="nobody")
    said, code = doctor()
    assert code == 1 and "FAIL  audit" in said


def test_a_full_disk_is_wrong(whole: Scene, settings: LazySettings) -> None:
    settings.DISK_WATERMARK = 10_000_000_000
    said, code = doctor()
    assert code == 1 and "images are refused; make room" in said


def test_a_recipe_that_is_gone_is_wrong(whole: Scene) -> None:
    Project.objects.update(recipe="/nowhere/own.yaml")
    said, code = doctor()
    assert code == 1 and "its recipe cannot be used" in said


def test_a_recipe_that_was_edited_into_nonsense_is_wrong(whole: Scene, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("extends: basic\nrules:\n  PatientName: keep\n  (0010,0010): delete\n", encoding="utf-8")
    Project.objects.update(recipe=str(own))
    said, code = doctor()
    assert code == 1 and "own.yaml:4: contradicts own.yaml:3" in said


def test_a_node_that_configure_would_refuse_is_wrong(whole: Scene) -> None:
    Node.objects.update(host="http://pacs.example")
    said, code = doctor()
    assert code == 1 and "nodes[0].host: give a host name" in said


def test_a_grant_that_has_ended_is_said(whole: Scene) -> None:
    grant = {"purpose": "treatment", "until": "2020-01-31"}
    Node.objects.update(view="identified", networks=["127.0.0.1/32"], grant=grant)
    Node.objects.get().projects.set(Project.objects.all())
    assert "the grant of node ARCHIVE ended on 2020-01-31" in doctor()[0]


def test_a_node_that_could_find_out_pseudonyms_is_said(whole: Scene) -> None:
    Node.objects.update(may=["find", "retrieve", "store"])
    assert "node ARCHIVE may store and find and retrieve pseudonymously" in doctor()[0]
    Node.objects.update(may=["find", "retrieve"])
    assert "pseudonymously" not in doctor()[0]


def test_a_key_that_is_gone_is_said_before_anything_else(whole: Scene, settings: LazySettings) -> None:
    (Path(settings.KEY_DIR) / "index.key").unlink()
    said, code = doctor()
    assert code == 1 and "FAIL  keys" in said and "put it back from escrow" in said
    assert "ledger" not in said


def test_keys_of_another_house_are_noticed(whole: Scene, settings: LazySettings, tmp_path: Path) -> None:
    from proxy.vault import keyring

    settings.KEY_DIR = tmp_path / "other-keys"
    keyring.ensure_keys(settings.KEY_DIR)
    said, code = doctor()
    assert code == 1 and "FAIL  vault" in said


def test_an_open_key_folder_is_closed_by_repair(whole: Scene, settings: LazySettings) -> None:
    Path(settings.KEY_DIR).chmod(0o755)
    assert doctor()[1] == 1
    said, code = doctor("--repair")
    assert code == 0 and "closed to others now" in said
    assert Path(settings.KEY_DIR).stat().st_mode & 0o777 == 0o700


def test_it_complains_until_keys_are_in_escrow_and_a_restore_was_tried(whole: Scene) -> None:
    from proxy.audit import actions
    from proxy.audit.record import record

    said, _ = doctor()
    assert "never put in escrow" in said and "no restore was ever tried" in said
    record(actions.KEYS_ESCROWED, actor="test")
    said, _ = doctor("--restore-was-tried")
    assert "were put in escrow on" in said and "a restore was tried on" in said
    record(actions.KEYS_ROTATED, actor="test")
    assert "rotated since their escrow" in doctor()[0]


def test_a_peer_that_does_not_answer_is_wrong(whole: Scene, settings: LazySettings) -> None:
    Destination.objects.update(retired_at=None)
    Node.objects.update(port=settings.DICOM_PORT)
    said, code = doctor()
    assert code == 1 and "FAIL  peer: ARCHIVE" in said and "Its deliveries wait." in said


def test_a_port_that_somebody_else_holds_is_wrong(whole: Scene, settings: LazySettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        settings.DICOM_PORT = settings.API_PORT = stranger.getsockname()[1]
        Thread(target=hang_up, args=(stranger, 4), daemon=True).start()
        said, code = doctor()
    assert code == 1 and "FAIL  listener" in said and "FAIL  web" in said


def hang_up(server: socket.socket, times: int) -> None:
    for _ in range(times):
        try:
            server.accept()[0].close()
        except OSError:
            return


def test_json_says_the_same(whole: Scene) -> None:
    said, code = doctor("--json")
    findings = json.loads(said)["findings"]
    assert code == 0 and {finding["level"] for finding in findings} <= {"ok", "warn"}
    assert all(finding["area"] and finding["sentence"] for finding in findings)


def test_a_part_that_cannot_be_examined_ends_no_other() -> None:
    def broken() -> list[object]:
        raise OSError("secret path")

    found = examine([("one", broken), ("two", lambda: [ok("two", "fine.")])])  # type: ignore[list-item]
    assert [(finding.level, finding.area) for finding in found] == [("FAIL", "one"), ("ok", "two")]
    assert "secret" not in str(found[0])


def test_a_listener_that_works_is_found(house: House) -> None:
    """Also by a peer of that address: the house is its own PACS here."""
    own = {"DICOM_PACS_HOST": "127.0.0.1", "DICOM_PACS_AE_TITLE": "DICOMRCV"}
    settings = own | {"DICOM_PACS_PORT": str(house.dicom_port)}
    assert house.command("export_site", **settings).returncode == 0
    house.start("listen", **settings)
    deadline = time.monotonic() + 120
    said = house.command("doctor", **settings)
    while "ok    listener: answers" not in said.stdout and time.monotonic() < deadline:
        said = house.command("doctor", **settings)
    assert said.returncode == 0, said.stdout
    assert "ok    listener: answers a C-ECHO" in said.stdout and "ok    peer: PACS answers" in said.stdout


def test_a_private_listener_that_knows_no_doctor_is_fine(house: House) -> None:
    assert house.command("export_site").returncode == 0
    house.start("listen", DICOM_MODE="private")
    deadline = time.monotonic() + 120
    said = house.command("doctor", DICOM_MODE="private")
    while "private mode lets" not in said.stdout and time.monotonic() < deadline:
        said = house.command("doctor", DICOM_MODE="private")
    assert "private mode lets no unknown node echo" in said.stdout, said.stdout
    assert said.returncode == 0


def test_on_an_empty_machine_it_prepares_and_finds_nothing_wrong(new_machine: House) -> None:
    said = new_machine.command("doctor")
    assert said.returncode == 0, said.stdout + said.stderr
    assert "ok    tables: all migrations are applied." in said.stdout


def a_result(scene: Scene, state: str) -> Homecoming:
    project, route = scene.study.project, Route.objects.all()[0]
    node = Node.objects.create(name="AI", ae_title="AI", host="127.0.0.1", port=1, outside=True)
    result = Result.objects.create(
        project=project, route=route, node=node, patient=scene.person.pseudonym, study_uid=scene.study.uid,
        certainty="study", uid="1.2.3", sop_class="1.2", transfer_syntax="1.2", path="1/made.sealed", size=10,
        received_at=timezone.now(),
    )  # fmt: skip
    long_ago = timezone.now() - timedelta(hours=1)
    outbox = Destination.objects.all()[0]
    result.destinations.add(outbox)
    return Homecoming.objects.create(result=result, destination=outbox, state=state, next_try_at=long_ago)


def test_results_that_wait_need_their_files_and_those_that_crashed_none(
    whole: Scene, own_folders: Path
) -> None:
    a_result(whole, "refused")
    left = lay(own_folders / "results/1/crashed.sealed")
    said, code = doctor()
    assert code == 1 and "1 result on the way home without a file" in said
    lay(own_folders / "results/1/made.sealed")
    said, code = doctor("--repair")
    assert code == 0, said
    assert not left.exists() and (own_folders / "results/1/made.sealed").exists()
    assert "1 refused result" in said


def test_results_that_nobody_brings_home_are_told_of(whole: Scene, own_folders: Path) -> None:
    a_result(whole, "waiting")
    lay(own_folders / "results/1/made.sealed")
    said, code = doctor()
    assert code == 1 and "1 result to bring home, and nobody does it" in said


def test_an_outside_node_that_anybody_could_be_is_warned_of(whole: Scene) -> None:
    Node.objects.update(outside=True, may=["store", "find"], networks=[])
    said = doctor()[0]
    assert "ARCHIVE may put results into patients' studies" in said
    Node.objects.update(networks=["127.0.0.1/32"])
    said = doctor()[0]
    assert "results into patients' studies" not in said
    assert (
        "could test whether" not in said
    )  # what it stores is not de-identified, so it cannot ask for a pseudonym that way


def test_where_images_leave_with_names_it_says_so_for_as_long_as_it_is_so(
    scene: Scene, settings: LazySettings
) -> None:
    assert "names" not in doctor()[0]
    settings.DICOM_ANONYMIZE_PATIENTS = False
    text, code = doctor()
    assert "no destination may have them" in text
    assert "archive gets nothing of project default" in text
    assert "outbox gets nothing of project default" in text
    assert code == 1
    grant = {"purpose": "treatment", "until": "2099-01-01"}
    Node.objects.update(view="identified", networks=["127.0.0.1/32"], grant=grant)
    Node.objects.get().projects.set(Project.objects.all())
    text, _ = doctor()
    assert (
        "DICOM_ANONYMIZE_PATIENTS is off: images leave with the patients' names, to archive (default)."
        in text
    )
    assert "archive gets nothing" not in text
