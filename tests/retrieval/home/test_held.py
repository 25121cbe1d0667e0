"""Whoever does not fit with certainty waits for a person, encrypted, with the reason; nothing is guessed."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from proxy.audit.models import Entry
from proxy.pipeline import release_held
from proxy.quarantine import keeping as quarantine
from proxy.quarantine.models import HeldItem
from proxy.reception.held import CannotRelease
from proxy.retrieval.home import arriving, keeping, looking
from proxy.retrieval.models import Homecoming, Result
from proxy.routing.models import Node
from proxy.studies.models import Instance
from proxy.vault import forget
from proxy.vault.reidentify import Principal
from tests import cast, results
from tests.retrieval.home.scene import PACS, Hospital, at_home

pytestmark = pytest.mark.django_db(transaction=True)

MAY = Principal("ada", lambda _: True)


def held(hospital: Hospital, result: Dataset) -> str:
    """The code under which it is held, while the sender hears that we have it."""
    assert hospital.comes_home(result).status == 0
    assert not Result.objects.filter(uid=result.SOPInstanceUID).exists()
    item = HeldItem.objects.latest("pk")
    assert item.reason
    assert [one.name for one in item.destinations.all()] == ["home"]
    return item.code


def stranger() -> Dataset:
    """Made from images that never came through here."""
    image = cast.ct(cast.StudyPlan(cast.BEN, number=9))
    return results.made("SC", [image])


def test_what_refers_to_nothing_of_ours_is_held_without_its_uid() -> None:
    hospital = Hospital.build()
    result = stranger()
    assert held(hospital, result) == "home-unknown"
    assert HeldItem.objects.get().uid.startswith("2.25.")
    assert HeldItem.objects.get().uid != result.SOPInstanceUID
    assert not Entry.objects.filter(action="identity.result-brought-home").exists()


def test_promise_8_what_is_held_lies_encrypted(data: Path) -> None:
    hospital = Hospital.build()
    assert held(hospital, stranger()) == "home-unknown"
    kept = b"".join(path.read_bytes() for path in data.rglob("*.sealed"))
    assert kept
    assert not any(form in kept for needle in cast.BEN.needles for form in cast.spellings(needle))


def test_promise_8_what_mentions_too_much_to_look_at_is_held_without_its_uid() -> None:
    hospital = Hospital.build()
    result = stranger()
    references = [Dataset() for _ in range(looking.MOST + 1)]
    for number, reference in enumerate(references):
        reference.ReferencedSOPInstanceUID = f"2.25.{number}"
    result.ReferencedInstanceSequence = references
    assert held(hospital, result) == "home-too-many"
    assert HeldItem.objects.get().uid.startswith("2.25.")
    assert HeldItem.objects.get().uid != result.SOPInstanceUID


def test_references_to_two_patients_are_held() -> None:
    hospital = Hospital.build()
    [ada] = hospital.outside(cast.ct())
    [ben] = hospital.outside(cast.ct(cast.StudyPlan(cast.BEN, number=5)))
    assert held(hospital, results.made("SC", [ada, ben])) == "home-two-patients"


def test_one_patient_s_references_under_another_s_pseudonym_are_held() -> None:
    hospital = Hospital.build()
    [ada] = hospital.outside(cast.ct())
    [ben] = hospital.outside(cast.ct(cast.StudyPlan(cast.BEN, number=5)))
    result = results.made("SC", [ada])
    result.PatientID = ben.PatientID
    assert held(hospital, result) == "home-two-patients"


def test_a_pseudonym_that_we_never_gave_is_held() -> None:
    hospital = Hospital.build()
    result = results.made("SC", hospital.outside(cast.ct()))
    result.PatientID = "ANON-" + "A" * 16
    assert held(hospital, result) == "home-two-patients"


def test_a_name_of_the_outside_s_own_does_not_matter_where_references_are_sure() -> None:
    hospital = Hospital.build()
    result = results.made("SC", hospital.outside(cast.ct()))
    result.PatientID = "SUBJECT-7"
    assert hospital.comes_home(result).status == 0
    assert Result.objects.get().certainty == "instances"


def test_two_studies_of_one_patient_are_held_unless_it_says_which() -> None:
    """A comparison with an earlier study belongs to the one whose Study Instance UID it has."""
    hospital = Hospital.build()
    [new] = hospital.outside(cast.ct(cast.StudyPlan(number=1)))
    [old] = hospital.outside(cast.ct(cast.StudyPlan(number=6)))
    comparison = results.made("SC", [new, old])
    assert hospital.comes_home(comparison).status == 0
    assert Result.objects.get().study_uid == new.StudyInstanceUID
    undecided = results.made("SC", [new, old])
    undecided.StudyInstanceUID = generate_uid()
    assert held(hospital, undecided) == "home-two-studies"


def test_references_into_one_study_from_within_another_are_held() -> None:
    hospital = Hospital.build()
    [new] = hospital.outside(cast.ct(cast.StudyPlan(number=1)))
    [old] = hospital.outside(cast.ct(cast.StudyPlan(number=6)))
    result = results.made("SC", [old])
    result.StudyInstanceUID = new.StudyInstanceUID
    assert held(hospital, result) == "home-two-studies"


def test_a_pseudonym_alone_is_enough_for_one_study_and_not_for_two() -> None:
    hospital = Hospital.build()
    alone = hospital.outside(cast.ct(cast.StudyPlan(number=1)))
    first, second = results.made("PDF", alone), results.made("PDF", alone)
    first.StudyInstanceUID, second.StudyInstanceUID = generate_uid(), generate_uid()
    assert hospital.comes_home(first).status == 0
    assert Result.objects.get().certainty == "patient"
    hospital.outside(cast.ct(cast.StudyPlan(number=6)))
    assert held(hospital, second) == "home-ambiguous"


def test_a_result_of_somebody_forgotten_stays() -> None:
    hospital = Hospital.build()
    clean = hospital.outside(cast.ct())
    result = results.made("SC", clean)
    forget.forget(MAY, str(clean[0].PatientID), hospital.homeward.project_id, "asked for")
    assert held(hospital, result) == "home-forgotten"
    document = results.made("PDF", clean)
    document.StudyInstanceUID = generate_uid()
    assert held(hospital, document) == "home-forgotten"


def test_an_image_of_ours_that_was_only_sent_back_is_safe_already() -> None:
    hospital = Hospital.build()
    [clean] = hospital.outside(cast.ct())
    assert hospital.comes_home(clean).status == 0
    assert (Result.objects.count(), HeldItem.objects.count(), Instance.objects.count()) == (0, 0, 1)


def test_an_image_of_ours_with_other_content_is_held() -> None:
    hospital = Hospital.build()
    [clean] = hospital.outside(cast.ct())
    clean.ImageComments = "changed outside"
    assert held(hospital, clean) == "home-own-uid"


def test_the_same_result_twice_is_as_once_and_another_under_its_uid_is_held() -> None:
    hospital = Hospital.build()
    result = results.made("SC", hospital.outside(cast.ct()))
    assert hospital.comes_home(result).status == hospital.comes_home(result).status == 0
    assert (Result.objects.count(), Homecoming.objects.count(), HeldItem.objects.count()) == (1, 1, 0)
    result.SeriesDescription = "another one"
    assert hospital.comes_home(result).status == 0
    assert (Result.objects.count(), HeldItem.objects.get().code) == (1, "home-conflict")


@pytest.mark.parametrize(
    "change", [{"view": "pseudonymous"}, {"grant": {"purpose": "x", "until": "2020-01-01"}}]
)
def test_without_a_node_that_may_see_who_it_is_nothing_goes(change: dict[str, object]) -> None:
    hospital = Hospital.build()
    Node.objects.filter(name=PACS).update(**change)
    assert held(hospital, results.made("SC", hospital.outside(cast.ct()))) == "home-nowhere"


def test_a_held_result_is_looked_at_again_when_a_person_says_so() -> None:
    """Here the result was faster than its study."""
    first = Hospital.build()
    clean = first.outside(cast.ct())
    result = results.made("SC", clean)
    Node.objects.filter(name=PACS).update(view="pseudonymous")
    assert held(first, result) == "home-nowhere"
    item = HeldItem.objects.get()
    with pytest.raises(CannotRelease, match="identified view"):
        release_held(item.pk, "ada")
    Node.objects.filter(name=PACS).update(view="identified")
    release_held(item.pk, "ada")
    item.refresh_from_db()
    assert (item.state, item.decided_by, Homecoming.objects.count()) == ("released", "ada", 1)
    mark = Entry.objects.get(action="quarantine.released")
    assert (mark.actor, mark.subject, mark.detail["item"]) == ("ada", item.uid, item.pk)
    with pytest.raises(CannotRelease, match="released"):
        release_held(item.pk, "ada")


def test_promise_4_a_held_result_that_came_home_meanwhile_is_held_no_longer() -> None:
    """It was sent once more when it could pass; then a person looked at the first one."""
    hospital = Hospital.build()
    result = results.made("SC", hospital.outside(cast.ct()))
    Node.objects.filter(name=PACS).update(view="pseudonymous")
    assert held(hospital, result) == "home-nowhere"
    Node.objects.filter(name=PACS).update(view="identified")
    assert hospital.comes_home(result).status == 0 and Homecoming.objects.count() == 1
    release_held(HeldItem.objects.get().pk, "ada")
    item = HeldItem.objects.get()
    assert (item.state, item.decided_by, Homecoming.objects.count()) == ("duplicate", "ada", 1)
    assert not (quarantine.folder() / item.path).exists()


def test_a_node_that_refuses_what_is_held_hears_so() -> None:
    hospital = Hospital.build()
    Node.objects.filter(name="AI").update(on_hold="refuse")
    assert Hospital.now().comes_home(stranger()).status == 0x0124
    assert HeldItem.objects.count() == 1
    assert hospital.ai.on_hold == "success"


def test_a_later_result_may_refer_to_an_earlier_one_alone() -> None:
    hospital = Hospital.build()
    earlier = results.made("SEG", hospital.outside(cast.ct(), cast.ct(instance=2)))
    assert hospital.comes_home(earlier).status == 0
    later = results.made("SC", [earlier])
    later.StudyInstanceUID = generate_uid()
    later.PatientID = "SUBJECT-7"
    assert hospital.comes_home(later).status == 0
    found = Result.objects.get(uid=later.SOPInstanceUID)
    assert (found.certainty, found.study_uid) == ("instances", earlier.StudyInstanceUID)


def planned(hospital: Hospital, image: Dataset) -> Dataset:
    """What refers to a patient's frame of reference and to nothing else."""
    result = results.made("PDF", hospital.outside(image))
    result.StudyInstanceUID, result.PatientID = generate_uid(), "SUBJECT-7"
    return result


def test_a_frame_of_reference_is_enough_for_a_patient_with_one_study() -> None:
    hospital = Hospital.build()
    result = planned(hospital, cast.ct())
    [clean] = hospital.outside(cast.ct(instance=2))
    result.FrameOfReferenceUID = clean.FrameOfReferenceUID
    assert hospital.comes_home(result).status == 0
    assert Result.objects.get().certainty == "frame"
    assert at_home().FrameOfReferenceUID == cast.ct().FrameOfReferenceUID
    hospital.outside(cast.ct(cast.StudyPlan(number=6)))
    other = planned(hospital, cast.ct(instance=3))
    other.FrameOfReferenceUID = clean.FrameOfReferenceUID
    assert held(hospital, other) == "home-ambiguous"


def test_a_frame_that_two_patients_share_says_nothing() -> None:
    """As that of an atlas; with a Patient ID it does no harm."""
    hospital = Hospital.build()
    images = [cast.ct(), cast.ct(cast.StudyPlan(cast.BEN, number=5))]
    for image in images:
        image.FrameOfReferenceUID = "1.2.826.0.1.3680043.8.498.77"
    ada, ben = hospital.outside(*images)
    assert ada.FrameOfReferenceUID == ben.FrameOfReferenceUID
    result = results.made("PDF", [ada])
    result.StudyInstanceUID, result.PatientID = generate_uid(), "SUBJECT-7"
    result.FrameOfReferenceUID = ada.FrameOfReferenceUID
    assert held(hospital, result) == "home-ambiguous"
    sure = results.made("PDF", [ben])
    sure.StudyInstanceUID, sure.FrameOfReferenceUID = generate_uid(), ada.FrameOfReferenceUID
    assert hospital.comes_home(sure).status == 0
    assert Result.objects.get().patient == ben.PatientID


@pytest.mark.parametrize("same", [True, False])
def test_the_same_uid_over_two_associations_at_once(monkeypatch: pytest.MonkeyPatch, same: bool) -> None:
    """Both have looked before either was written: the second one's file goes, and it looks again."""
    hospital = Hospital.build()
    result = results.made("SC", hospital.outside(cast.ct()))
    assert hospital.comes_home(result).status == 0
    looks = iter([(False, None)])

    def first_blind(arrival: arriving.Arrival) -> bool:
        return next(looks, None) is None and _is_here(arrival)

    _is_here, _taken = arriving._is_here, arriving._taken
    blind = iter([None])
    monkeypatch.setattr(arriving, "_is_here", first_blind)
    monkeypatch.setattr(arriving, "_taken", lambda arrival: next(blind, _taken(arrival)))
    if not same:
        result.SeriesDescription = "another one"
    assert hospital.comes_home(result).status == 0
    assert (Result.objects.count(), HeldItem.objects.count()) == (1, 0 if same else 1)
    assert len([path for path in keeping.folder().rglob("*") if path.is_file()]) == 1
