"""Where an image ends: in the index, once; or in quarantine, whole and encrypted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from django.test import override_settings
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from proxy import pipeline
from proxy.audit.models import Entry
from proxy.deid import restore, split
from proxy.deliveries import ledger
from proxy.quarantine import decide, keeping
from proxy.quarantine.models import HeldItem
from proxy.reception import held
from proxy.reception.held import CannotRelease, Direct
from proxy.reception.sink import Receiving
from proxy.routing.match import RouteFacts, load_table
from proxy.routing.models import Node
from proxy.storage.keys import KeysMissing
from proxy.studies.models import Instance, Revision, Study
from proxy.vault import seals
from proxy.vault.forget import forget
from proxy.vault.models import Person, Seal, StudyKey, UidPair
from proxy.vault.pseudonyms import known_by
from proxy.vault.reidentify import Principal
from tests import cast
from tests.reception.sending import command_for, encode, files, receive, send

pytestmark = pytest.mark.django_db
MAY = Principal("officer", lambda permission: True)


def stored(data: Path) -> Dataset:
    return dcmread(data / "studies" / Instance.objects.get().path)


def rle(image: Dataset) -> Dataset:
    image.compress(RLELossless, generate_instance_uid=False)
    return image


def nobody_in_clear(data: Path) -> bool:
    contents = [path.read_bytes() for path in data.rglob("*") if path.is_file()]
    forms = [form for needle in cast.NEEDLES for form in cast.spellings(needle)]
    return not any(form in content for content in contents for form in forms)


def test_promise_8_what_is_stored_names_nobody(route: RouteFacts, data: Path) -> None:
    assert send(route, cast.ct()) == 0
    image = stored(data)
    person = Person.objects.get()
    assert image.PatientID == image.PatientName == person.pseudonym == Study.objects.get().patient
    assert image.PatientIdentityRemoved == "YES"
    assert np.array_equal(image.pixel_array, cast.ct().pixel_array)
    assert nobody_in_clear(data)


def test_promise_6_the_seal_gives_the_original_back(route: RouteFacts, data: Path) -> None:
    original = encode(cast.ct())
    assert receive(route, original, command_for(cast.ct())).status == 0
    row = Instance.objects.get()
    part = split((data / "studies" / row.path).read_bytes())
    seal = seals.open_seal(route.project_id, row.uid)
    assert restore(bytes(part.dataset), part.syntax, seal) == original


def test_uids_of_study_series_and_frame_are_kept_once(route: RouteFacts) -> None:
    for number in (1, 2, 3):
        assert send(route, cast.ct(instance=number)) == 0
    assert UidPair.objects.count() == 3
    assert Seal.objects.count() == 3


def test_promise_7_what_an_image_that_was_not_taken_says_is_kept_with_the_next_one(route: RouteFacts) -> None:
    """The first image of a study was held, so that nothing of its UIDs was written yet."""
    elsewhere = {"StudyInstanceUID": "1.2.3.999", "SeriesInstanceUID": "1.2.3.999.1"}
    assert send(route, cast.ct()) == 0
    assert send(route, cast.ct(cast.StudyPlan(extra=elsewhere))) == 0
    assert HeldItem.objects.get().code == "conflict"
    assert send(route, cast.ct(cast.StudyPlan(extra=elsewhere), instance=2)) == 0
    for study in Study.objects.all():
        assert UidPair.objects.filter(uid=study.uid).exists()
        assert StudyKey.objects.filter(uid=study.uid).exists()


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
)
def test_the_same_image_again_is_as_once_in_whatever_syntax(
    route: RouteFacts, data: Path, syntax: str
) -> None:
    assert send(route, cast.ct()) == 0
    once = files(data)
    image = cast.ct()
    if syntax == ExplicitVRBigEndian:
        swapped = np.frombuffer(image.PixelData, "<u2").byteswap()
        image.PixelData = swapped.tobytes()
    assert send(route, image, syntax) == 0
    assert files(data) == once
    assert Instance.objects.count() == 1
    assert not HeldItem.objects.exists()


def test_the_same_image_with_other_length_forms_is_as_once(route: RouteFacts) -> None:
    image = cast.ct()
    image.RequestAttributesSequence = Sequence([Dataset()])
    image.RequestAttributesSequence[0].ScheduledProcedureStepID = "S1"
    assert send(route, image) == 0
    image["RequestAttributesSequence"].is_undefined_length = True
    assert send(route, image) == 0
    assert (Instance.objects.count(), HeldItem.objects.count()) == (1, 0)


def test_the_same_pixels_under_another_header_are_another_image(route: RouteFacts) -> None:
    assert send(route, cast.ct()) == 0
    other = cast.ct()
    other.PatientComments = "not seen before"
    assert send(route, other, ImplicitVRLittleEndian) == 0
    assert HeldItem.objects.get().code == "conflict"


def test_once_the_person_is_forgotten_only_the_very_same_bytes_are_the_same(route: RouteFacts) -> None:
    assert send(route, cast.ct()) == 0
    Seal.objects.all().delete()
    assert send(route, cast.ct(), ImplicitVRLittleEndian) == 0
    assert HeldItem.objects.get().code == "conflict"


def test_the_same_uid_with_other_pixels_is_held_and_nothing_is_overwritten(
    route: RouteFacts, data: Path
) -> None:
    assert send(route, cast.ct()) == 0
    before = (data / "studies" / Instance.objects.get().path).read_bytes()
    other = cast.ct()
    other.PixelData = bytes(len(other.PixelData))
    assert send(route, other) == 0
    assert HeldItem.objects.get().code == "conflict"
    assert (data / "studies" / Instance.objects.get().path).read_bytes() == before
    assert len(files(data / "studies")) == 1
    assert nobody_in_clear(data)
    with pytest.raises(CannotRelease):
        pipeline.release_held(HeldItem.objects.get().pk, "somebody")


def test_the_same_image_in_another_compression_is_found_to_be_the_same(route: RouteFacts, data: Path) -> None:
    assert send(route, cast.ct()) == 0
    assert send(route, rle(cast.ct()), RLELossless) == 0
    assert HeldItem.objects.get().code == "recompressed"
    assert held.compare_recompressed() == 1
    assert HeldItem.objects.get().state == "duplicate"
    assert Entry.objects.get(action="quarantine.decided").actor == "comparison of pixels"
    assert files(data / "quarantine") == []
    (line,) = ledger.balance()
    assert (line.received, line.difference) == (1, 0)


def test_a_torn_file_stays_held_and_keeps_nobody_waiting(route: RouteFacts, data: Path) -> None:
    for number in (1, 2):
        assert send(route, cast.ct(instance=number)) == 0
        assert send(route, rle(cast.ct(instance=number)), RLELossless) == 0
    torn, whole = HeldItem.objects.order_by("held_at")
    (data / "quarantine" / torn.path).write_bytes(b"torn")
    assert held.compare_recompressed() == 2
    torn.refresh_from_db()
    whole.refresh_from_db()
    assert (torn.state, torn.code, whole.state) == ("held", "conflict", "duplicate")


def test_other_pixels_in_another_compression_stay_held(route: RouteFacts) -> None:
    other = cast.ct()
    other.PixelData = bytes(len(other.PixelData))
    assert send(route, cast.ct()) == 0
    assert send(route, rle(other), RLELossless) == 0
    assert held.compare_recompressed() == 1
    item = HeldItem.objects.get()
    assert (item.state, item.code) == ("held", "conflict")


def test_one_study_under_two_persons_is_held(route: RouteFacts) -> None:
    assert send(route, cast.ct(cast.StudyPlan(patient=cast.ADA), instance=1)) == 0
    assert send(route, cast.ct(cast.StudyPlan(patient=cast.BEN), instance=2)) == 0
    assert HeldItem.objects.get().code == "two-persons"
    assert Study.objects.get().is_held
    assert Instance.objects.count() == 1


def burned_in(instance: int = 1) -> Dataset:
    return cast.ct(cast.StudyPlan(extra={"BurnedInAnnotation": "YES"}), instance=instance)


def test_promise_1_an_image_whose_pixels_may_show_a_name_is_sealed_in_quarantine(
    route: RouteFacts, data: Path
) -> None:
    assert send(route, burned_in()) == 0
    item = HeldItem.objects.get()
    assert (item.code, item.state) == ("burned-in", "held")
    assert [name.split("/")[0] for name in files(data)] == ["quarantine"]
    assert nobody_in_clear(data)
    assert not Instance.objects.exists()
    (line,) = ledger.balance()
    assert (line.received, line.held, line.difference) == (1, 1, 0)


def test_what_is_held_and_sent_again_is_held_once(route: RouteFacts, data: Path) -> None:
    assert send(route, burned_in()) == send(route, burned_in()) == 0
    assert HeldItem.objects.count() == 1
    assert len(files(data)) == 1


@pytest.mark.parametrize("rule", ["", "*dose*"])
def test_promise_2_an_image_that_its_person_s_forgetting_overtakes_is_not_acknowledged(
    route: RouteFacts, data: Path, tmp_path: Path, rule: str
) -> None:
    """It was sealed for quarantine under a key that is gone when its row would be written."""
    image = cast.ct()
    image.BurnedInAnnotation, image.SeriesDescription = "YES", "Dose report"
    route = replace(route, exclude=(rule,) if rule else ())
    if rule:  # the same image was set aside before
        assert send(route, image) == 0
    before = HeldItem.objects.count(), files(data / "quarantine")
    sink = Receiving(Direct(), route, None, command_for(image))
    sink.feed(memoryview(encode(image)))
    with override_settings(FORGOTTEN_FILE=tmp_path / "forgotten"):
        forget(MAY, Person.objects.get().pseudonym, route.project_id, "request")
    assert sink.finish().status == 0xA700
    assert (HeldItem.objects.count(), files(data / "quarantine")) == before
    assert send(route, image) == 0
    item = HeldItem.objects.order_by("-pk")[0]
    person = Person.objects.get(pseudonym=item.patient)
    assert b"".join(keeping.original(item.path, known_by(person).unwrap)) == encode(image)


def test_a_node_may_hear_a_refusal_for_what_is_held(route: RouteFacts) -> None:
    image = burned_in()
    Node.objects.create(name="CT_EAST", ae_title="CT_EAST", host="127.0.0.1", port=104, on_hold="refuse")
    node = load_table().node_for("CT_EAST", "127.0.0.1")
    reply = receive(route, encode(image), command_for(image), node=node)
    assert reply.status != 0
    assert HeldItem.objects.count() == 1


def test_a_person_sets_a_held_image_free(route: RouteFacts, data: Path) -> None:
    assert send(route, burned_in()) == 0
    pipeline.release_held(HeldItem.objects.get().pk, "somebody")
    item = HeldItem.objects.get()
    assert (item.state, item.decided_by) == ("released", "somebody")
    mark = Entry.objects.get(action="quarantine.released")
    assert (mark.actor, mark.subject, mark.detail["item"]) == ("somebody", item.uid, item.pk)
    assert np.array_equal(stored(data).pixel_array, burned_in().pixel_array)
    assert files(data / "quarantine") == []
    (line,) = ledger.balance()
    assert (line.received, line.in_flight, line.difference) == (1, 1, 0)
    with pytest.raises(CannotRelease):
        pipeline.release_held(item.pk, "somebody else")
    assert Entry.objects.filter(action="quarantine.released").count() == 1


def test_promise_4_what_is_held_and_released_once_more_is_held_no_longer(
    route: RouteFacts, data: Path
) -> None:
    for _ in range(2):
        assert send(route, burned_in()) == 0
        pipeline.release_held(HeldItem.objects.get(state="held").pk, "somebody")
    first, second = HeldItem.objects.order_by("pk")
    assert (first.state, second.state, second.decided_by) == ("released", "duplicate", "somebody")
    mark = Entry.objects.get(action="quarantine.decided", detail__decision="same")
    assert (mark.actor, mark.detail["item"]) == ("somebody", second.pk)
    assert files(data / "quarantine") == [] and Instance.objects.count() == 1
    (line,) = ledger.balance()
    assert (line.received, line.held, line.difference) == (1, 0, 0)


def test_promise_3_what_somebody_discards_while_it_is_released_keeps_its_file(
    route: RouteFacts, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(item: HeldItem, by: str) -> object:
        decide.discard(HeldItem.objects.get(pk=item.pk), "somebody else")
        return let_in(item, by)

    assert send(route, burned_in()) == 0
    pipeline.release_held(HeldItem.objects.get().pk, "somebody")
    assert send(route, burned_in()) == 0
    let_in = held._let_in
    monkeypatch.setattr(held, "_let_in", slowly)
    with pytest.raises(CannotRelease, match="Somebody else"):
        pipeline.release_held(HeldItem.objects.get(state="held").pk, "somebody")
    assert len(files(data / "quarantine")) == 1 == HeldItem.objects.filter(state="discarded").count()


def test_without_its_mark_nothing_leaves_quarantine(
    route: RouteFacts, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_mark(*_: object) -> None:
        raise KeysMissing("The key file audit.key is gone.")

    assert send(route, burned_in()) == 0
    monkeypatch.setattr("proxy.reception.storing.released", no_mark)
    with pytest.raises(KeysMissing):
        pipeline.release_held(HeldItem.objects.get().pk, "somebody")
    assert HeldItem.objects.get().state == "held"
    assert not Instance.objects.exists() and len(files(data / "quarantine")) == 1


def test_what_is_discarded_counts_as_excluded(route: RouteFacts) -> None:
    assert send(route, burned_in()) == 0
    assert decide.discard(HeldItem.objects.get(), "somebody", "no use")
    (line,) = ledger.balance()
    assert (line.received, line.excluded, line.difference) == (1, 1, 0)


def test_the_quiet_time_is_the_setting_s(route: RouteFacts) -> None:
    with override_settings(DICOM_STUDY_TIMEOUT=7):
        assert send(route, cast.ct()) == 0
    revision = Revision.objects.get()
    assert 6 < (revision.quiet_at - revision.opened_at).total_seconds() < 8


def test_promise_5_the_same_person_has_the_same_pseudonym_in_every_study(route: RouteFacts) -> None:
    for number in (1, 2):
        assert send(route, cast.ct(cast.StudyPlan(number=number))) == 0
    assert Person.objects.count() == 1
    assert len(set(Study.objects.values_list("patient", flat=True))) == 1


def test_a_recipe_may_refuse_what_may_show_a_name(route: RouteFacts, data: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "strict.yaml"
    recipe.write_text("extends: basic\nburned-in: refuse\n")
    strict = replace(route, recipe=str(recipe))
    assert send(strict, burned_in()) == 0xC001
    assert not HeldItem.objects.exists()
    assert files(data) == []
    assert send(strict, cast.ct(instance=2)) == 0
