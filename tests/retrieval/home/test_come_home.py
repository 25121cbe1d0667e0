"""Promise 7: what was made outside, with UIDs we never saw, comes home to its patient, study and references."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from proxy.audit.models import Entry
from proxy.deid import Engine, Facts, Subject, deidentify, load_recipe, restore, split
from proxy.deid.homeward import Unfit
from proxy.management.batch.sealing import Draft, keep
from proxy.pipeline import release_held
from proxy.quarantine.models import HeldItem
from proxy.retrieval.models import Homecoming, Result
from proxy.routing.models import Project
from proxy.studies.models import Instance
from proxy.vault import corrections
from proxy.vault.models import UidPair
from proxy.vault.pseudonyms import Known, person_for
from proxy.vault.reidentify import Principal, restore_instance
from tests import cast, results
from tests.reception.sending import encode, send
from tests.retrieval.home.scene import Hospital, at_home

pytestmark = pytest.mark.django_db(transaction=True)

MAY = Principal("ada", lambda _: True)
LEVEL = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime",
         "AccessionNumber", "StudyID", "ReferringPhysicianName")  # fmt: skip


def uids(ds: Dataset) -> Iterator[str]:
    for element in ds.iterall():
        if element.VR == "UI" and element.value:
            yield from [element.value] if isinstance(element.value, str) else element.value


@pytest.mark.parametrize("recipe", ["basic", "research"])
@pytest.mark.parametrize("kind", results.EVERY)
def test_promise_7_a_result_comes_home(kind: str, recipe: str) -> None:
    hospital = Hospital.build(recipe)
    originals = [cast.ct(instance=number) for number in (1, 2, 3)]
    clean = hospital.outside(*originals)
    made = results.made(kind, clean)
    assert hospital.comes_home(made).status == 0
    assert not HeldItem.objects.exists()
    assert Homecoming.objects.get().state == "waiting"
    home = at_home()
    for name in LEVEL:
        assert home.get(name) == originals[0].get(name), name
    gone = {str(image.get(name)) for image in clean for name in ("SOPInstanceUID", "SeriesInstanceUID",
            "StudyInstanceUID", "FrameOfReferenceUID", "PatientID")}  # fmt: skip
    left = [(str(element.tag), element.name) for element in home.iterall() if str(element.value) in gone]
    assert not left
    assert str(clean[0].PatientID) not in str(home)
    referred = {str(image.SOPInstanceUID) for image in originals}
    if kind != "PDF":
        assert referred & set(uids(home))
    assert (home.SOPInstanceUID, home.SeriesInstanceUID) == (made.SOPInstanceUID, made.SeriesInstanceUID)
    for name in ("PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence",
                 "LongitudinalTemporalInformationModified"):  # fmt: skip
        assert name not in home
    assert Result.objects.get().certainty == ("study" if kind == "PDF" else "instances")
    assert Entry.objects.filter(action="identity.result-brought-home", actor="home").count() == 1


def test_references_to_both_pseudonyms_of_a_merged_person_come_home() -> None:
    """A comparison of two studies, which were of two persons until the hospital found out."""
    hospital = Hospital.build()
    new, old = cast.ct(), cast.ct(cast.StudyPlan(cast.BEN, number=5))
    [clean] = hospital.outside(new)
    [earlier] = hospital.outside(old)
    made = results.made("SC", [clean, earlier])
    assert hospital.comes_home(made).status == 0
    assert HeldItem.objects.get().code == "home-two-patients"
    names = str(earlier.PatientID), str(clean.PatientID)
    corrections.merge(MAY, *names, hospital.homeward.project_id, "one patient")
    release_held(HeldItem.objects.get().pk, "ada")
    home = at_home()
    assert (home.PatientID, home.StudyInstanceUID) == (cast.ADA.id, new.StudyInstanceUID)
    assert [one.ReferencedSOPInstanceUID for one in home.SourceImageSequence] == [
        new.SOPInstanceUID, old.SOPInstanceUID,
    ]  # fmt: skip
    looks = Entry.objects.filter(action="identity.result-brought-home").values_list("subject", flat=True)
    assert sorted(looks) == sorted(names)


def test_after_a_merge_a_result_has_the_survivor_s_patient_id() -> None:
    """The PACS moved the study there: under the other id nobody looks any more."""
    hospital = Hospital.build()
    survivor, absorbed = cast.ct(), cast.ct(cast.StudyPlan(cast.BEN, number=5))
    [clean], [earlier] = hospital.outside(survivor), hospital.outside(absorbed)
    names = str(earlier.PatientID), str(clean.PatientID)
    made = results.made("SEG", [earlier])
    assert hospital.comes_home(made).status == 0
    assert at_home().PatientID == cast.BEN.id
    corrections.merge(MAY, *names, hospital.homeward.project_id, "one patient")
    home = at_home()
    assert (home.PatientID, home.StudyInstanceUID) == (cast.ADA.id, absorbed.StudyInstanceUID)
    assert (home.PatientName, home.PatientBirthDate) == (cast.BEN.name, cast.BEN.birth_date)
    looks = Entry.objects.filter(action="identity.result-brought-home").values_list("subject", flat=True)
    assert list(looks) == [names[0], *sorted(names, key=lambda one: one != names[0])]


def corrected(hospital: Hospital, pseudonym: str, patient_id: str, issuer: str = "") -> None:
    project_id = hospital.homeward.project_id
    corrections.correct(
        MAY, pseudonym, project_id, issuer=issuer, patient_id=patient_id, purpose="a typing error"
    )


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_after_a_correction_a_result_has_the_right_patient_id_and_an_image_the_one_it_came_with(
    syntax: str,
) -> None:
    hospital = Hospital.build()
    image = cast.ct()
    assert send(hospital.inward, image, syntax) == 0
    row = Instance.objects.get()
    clean = dcmread(Path(settings.DICOM_STORAGE_DIR) / "studies" / row.path)
    for kind in ("SEG", "SR", "SC"):
        assert hospital.comes_home(results.made(kind, [clean])).status == 0
        before = at_home()
        corrected(hospital, str(clean.PatientID), f"AE-RIGHT-{kind}")
        home = at_home()
        assert (before.PatientID != home.PatientID, home.PatientID) == (True, f"AE-RIGHT-{kind}")
        assert home.StudyInstanceUID == image.StudyInstanceUID
        home.PatientID = before.PatientID
        assert home == before
    opened = restore_instance(MAY, row.uid, row.project_id, "what was sent")
    file = (Path(settings.DICOM_STORAGE_DIR) / "studies" / row.path).read_bytes()
    assert restore(bytes(split(file).dataset), row.transfer_syntax, opened.plain) == encode(image, syntax)


def test_an_issuer_is_corrected_where_the_images_name_one() -> None:
    hospital = Hospital.build()
    image = cast.ct()
    image.IssuerOfPatientID = "EAST"
    [clean] = hospital.outside(image)
    assert hospital.comes_home(results.made("SEG", [clean])).status == 0
    assert at_home().IssuerOfPatientID == "EAST"
    corrected(hospital, str(clean.PatientID), "AE-1", "WEST")
    assert (at_home().PatientID, at_home().IssuerOfPatientID) == ("AE-1", "WEST")


def test_a_patient_id_that_the_images_cannot_spell_is_not_guessed() -> None:
    hospital = Hospital.build()
    [clean] = hospital.outside(cast.ct())
    assert hospital.comes_home(results.made("SEG", [clean])).status == 0
    corrected(hospital, str(clean.PatientID), "ИД-7")
    with pytest.raises(Unfit, match="character set") as refused:
        at_home()
    assert "ИД" not in str(refused.value)


def by_command(image: Dataset, folder: Path) -> Dataset:
    """As `deidentify` makes it: it was never sent to us, only its seal and the names of its study are here."""
    project = Project.objects.get()
    engine = Engine(load_recipe(project.recipe))
    data, syntax = results.encoded(image)
    known: list[Known] = []

    def subject(facts: Facts) -> Subject:
        known.append(
            person_for(project.pk, "", facts.patient_id, {"name": facts.patient_name}, facts.study_uid)
        )
        return known[0].subject

    clean = deidentify(data, syntax, engine, subject)
    made = results.read(clean.meta + b"".join(clean.rest))
    pairs = {str(made.StudyInstanceUID): (UidPair.STUDY, str(image.StudyInstanceUID))}
    keep(project.pk, [Draft(known[0], str(made.SOPInstanceUID), clean.seal, folder, pairs)])
    return made


def test_results_of_images_that_deidentify_made_come_home(tmp_path: Path) -> None:
    hospital = Hospital.build()
    originals = [cast.ct(), cast.ct(instance=2)]
    clean = [by_command(image, tmp_path) for image in originals]
    made = results.made("SEG", clean)
    assert hospital.comes_home(made).status == 0
    assert Result.objects.get().certainty == "study"
    home = at_home()
    for name in LEVEL:
        assert home.get(name) == originals[0].get(name), name
    assert {image.SOPInstanceUID for image in originals} <= set(uids(home))
    assert hospital.comes_home(clean[0]).status == 0
    assert HeldItem.objects.get().code == "home-own-uid"


def test_images_that_deidentify_made_of_two_patients_are_held(tmp_path: Path) -> None:
    hospital = Hospital.build()
    ada, ben = cast.ct(), cast.ct(cast.StudyPlan(cast.BEN, number=5))
    made = results.made("SC", [by_command(image, tmp_path) for image in (ada, ben)])
    assert hospital.comes_home(made).status == 0
    assert HeldItem.objects.get().code == "home-two-patients"


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"])
def test_what_the_recipe_left_as_it_was_comes_home_too_in_whatever_syntax_the_study_came(syntax: str) -> None:
    """The seal does not know it; the clean file does."""
    hospital = Hospital.build("research")
    original = cast.ct(cast.StudyPlan(extra={"PatientSize": "1.7"}))
    assert send(hospital.inward, original, syntax) == 0
    row = Instance.objects.get()
    clean = dcmread(Path(settings.DICOM_STORAGE_DIR) / "studies" / row.path)
    assert clean.PatientSize == original.PatientSize
    assert hospital.comes_home(results.made("SC", [clean])).status == 0
    assert at_home().PatientSize == original.PatientSize
