"""Scripts of dicom-anonymizer go on by changing their import; where both are meant to be equal, they are compared."""

import copy
import importlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from proxy.deid import DeidError, HeldError, Keyed, RecipeError, compat
from tests import cast

theirs: Any = importlib.import_module("dicomanonymizer")
NAMES = [
    "D_TAGS", "Z_TAGS", "X_TAGS", "U_TAGS", "Z_D_TAGS", "X_Z_TAGS", "X_D_TAGS", "X_Z_D_TAGS", "X_Z_U_STAR_TAGS",
    "ALL_TAGS",
]  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR")


def image(**values: object) -> Dataset:
    ds = dcmread(BytesIO(cast.part10(cast.ct())))
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def test_their_words_are_all_here() -> None:
    words = [name for name in NAMES if hasattr(theirs, name)] + [
        "keep", "delete", "empty", "replace", "replace_UID", "empty_or_replace", "delete_or_empty", "delete_or_replace",
        "delete_or_empty_or_replace", "delete_or_empty_or_replace_UID", "regexp", "replace_with_value", "anonymize",
        "anonymize_dataset", "anonymize_dicom_file", "initialize_actions", "initialize_actions_2024b",
    ]  # fmt: skip
    assert all(hasattr(theirs, word) and hasattr(compat, word) for word in words)


@pytest.mark.parametrize("edition", ["2023", "2024b", "2026c"])
def test_every_edition_names_the_same_attributes_and_actions(edition: str) -> None:
    names = {tag: act.__name__ for tag, act in theirs.initialize_actions(f"dicomfields_{edition}").items()}
    ours = compat.initialize_actions(f"dicomfields_{edition}")
    assert {tag: repr(act) for tag, act in ours.items()} == names
    with pytest.raises(ValueError, match="Unknown DICOM"):
        compat.initialize_actions("dicomfields_1993")


def test_the_groups_of_tags_are_the_same() -> None:
    module = importlib.import_module("dicomanonymizer.dicom_anonymization_databases.dicomfields_2023")
    for name in NAMES:
        assert sorted(getattr(compat, name)) == sorted(getattr(module, name)), name


RULES = [
    ((0x0010, 0x0040), "keep", None),
    ((0x0010, 0x0010), "replace_with_value", ["new_value"]),
    ((0x0010, 0x0010), "replace_with_value", {"value": "new_value"}),
    ((0x0008, 0x0020), "regexp", ["0115$", "0000"]),
    ((0x0008, 0x103E), "regexp", {"find": "AXIAL", "replace": "SAGITTAL"}),
    ((0x0010, 0x1030), "delete", None),
    ((0x0008, 0x1030), "empty", None),
    ((0x0010, 0x1030), "keep", None),
    ((0x0010, 0x0030), "keep", None),
]


@pytest.mark.parametrize(("tag", "name", "arguments"), RULES)
def test_a_rule_has_the_same_result(tag: tuple[int, int], name: str, arguments: Any) -> None:
    one, other = image(), image()
    for module, ds in ((theirs, one), (compat, other)):
        act = getattr(module, name)
        module.anonymize_dataset(ds, {tag: act(arguments) if arguments else act})
    assert str(one.get(tag)) == str(other.get(tag))


def birth_year(dataset: Any, tag: Any) -> None:
    element = dataset.get(tag)
    if element is not None:
        element.value = f"{element.value[:4]}0101"


def test_everything_is_kept_but_the_birth_date_becomes_a_year() -> None:
    """W19, in both."""
    results = []
    for module in (theirs, compat):
        ds = image()
        extra = dict.fromkeys(compat.ALL_TAGS, module.keep)
        extra[0x0010, 0x0030] = birth_year
        module.anonymize_dataset(ds, extra, delete_private_tags=False)
        results.append(ds)
    one, other = results
    assert other.PatientBirthDate == one.PatientBirthDate == f"{cast.ADA.birth_date[:4]}0101"
    for element in one:
        assert other[element.tag].value == element.value, element.tag
    assert other.PatientName == cast.ADA.name and other.PatientIdentityRemoved == "YES"


def test_what_is_anonymized_in_place_is_the_same_dataset_without_a_name() -> None:
    ds = image()
    before = copy.deepcopy(ds)
    compat.anonymize_dataset(ds)
    buffer = BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    assert not any(needle.encode() in buffer.getvalue() for needle in cast.NEEDLES)
    assert ds.PixelData == before.PixelData and ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
    assert ds.PatientID.startswith("ANON-") and ds.StudyInstanceUID != before.StudyInstanceUID


def test_the_same_uid_becomes_the_same_in_one_run_and_with_one_key_in_all() -> None:
    one, two, three = image(), image(), image()
    compat.anonymize_dataset(one)
    compat.anonymize_dataset(two)
    compat.anonymize_dataset(three, keyed=Keyed(b"k" * 32))
    assert one.StudyInstanceUID == two.StudyInstanceUID != three.StudyInstanceUID


def test_a_function_sees_the_whole_dataset_and_changes_its_own_attribute() -> None:
    def with_modality(dataset: Any, tag: Any) -> None:
        dataset[tag].value = f"{dataset.Modality} of {len(dataset)}"
        dataset.PatientName = "Changed^Elsewhere"

    def gone(dataset: Any, tag: Any) -> None:
        del dataset[tag]

    ds = image()
    size = len(ds)
    compat.anonymize_dataset(ds, {(0x0008, 0x1030): with_modality, (0x0018, 0x0050): gone})
    assert ds.StudyDescription == f"CT of {size}" and "SliceThickness" not in ds
    assert str(ds.PatientName).startswith("ANON-")


def test_rules_of_ones_own_base_leave_the_rest_alone() -> None:
    one, other = image(), image()
    theirs.anonymize_dataset(
        one, base_rules_gen=lambda: {(0x0010, 0x0010): theirs.delete}, delete_private_tags=False
    )
    compat.anonymize_dataset(
        other, base_rules_gen=lambda: {(0x0010, 0x0010): compat.delete}, delete_private_tags=False
    )
    assert other.PatientID == one.PatientID == cast.ADA.id
    assert str(other.get("PatientName", "")) == "" and "PatientIdentityRemoved" not in other
    assert other.StudyDescription == one.StudyDescription


def test_a_changed_base_and_another_edition_count() -> None:
    def base() -> compat.BaseRules:
        rules = compat.initialize_actions("dicomfields_2024b")
        rules[0x0010, 0x0040] = compat.keep
        del rules[0x0010, 0x1030]
        return rules

    ds = image()
    compat.anonymize_dataset(ds, base_rules_gen=base)
    assert (ds.PatientSex, ds.PatientWeight) == ("F", 71.5)
    assert ds.DeidentificationMethod.endswith("2024b")


def test_private_attributes_follow_the_flag_and_the_rule() -> None:
    results = {}
    for flag in (True, False):
        for module in (theirs, compat):
            ds = image()
            block = ds.private_block(0x0099, "EXAMPLE", create=True)
            block.add_new(1, "LO", "kernel B30")
            block.add_new(2, "LO", "kernel B40")
            module.anonymize_dataset(ds, {(0x0099, 0x1001): module.keep}, delete_private_tags=flag)
            results[flag, module] = {element.tag: element.value for element in ds if element.tag.is_private}
        assert results[flag, theirs] == results[flag, compat]


def test_a_repeating_group_takes_a_rule() -> None:
    ds = image()
    ds.add_new(0x60020022, "LO", "label")
    compat.anonymize_dataset(ds, {(0x6000, 0x0022, 0xFF00, 0xFFFF): compat.keep})
    assert ds[0x60020022].value == "label"


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({(0x0028, 0x0010): compat.regexp(["a", "b"])}, "regexp is for text"),
        ({(0x0010, 0x0010): compat.regexp(["(", "b"])}, "regular expression is wrong"),
        ({(0x0019, 0x0010): compat.keep}, "can never match"),
        ({(0x6000, 0x0022, 0xFF01, 0xFFFF): compat.keep}, "whole digits"),
        ({(0x6000, 0x0022, 0xFF00, 0xFFFF): birth_year}, "one attribute"),
    ],
)
def test_a_rule_that_cannot_be_meant_changes_nothing(rules: Any, said: str) -> None:
    ds = image()
    with pytest.raises(RecipeError, match=said):
        compat.anonymize_dataset(ds, rules)
    assert ds == image()


def test_what_a_gate_holds_stays_as_it_is() -> None:
    ds = image(BurnedInAnnotation="YES")
    with pytest.raises(HeldError):
        compat.anonymize_dataset(ds)
    assert ds == image(BurnedInAnnotation="YES")


@pytest.mark.parametrize("options", [[], ["a"], {"find": "a"}])
def test_missing_arguments_are_named(options: Any) -> None:
    with pytest.raises(ValueError, match=r"argument|Missing"):
        compat.regexp(options)


def test_files_and_open_files(tmp_path: Path) -> None:
    source, target = tmp_path / "in.dcm", tmp_path / "out.dcm"
    source.write_bytes(cast.part10(cast.ct()))
    target.write_bytes(b"something older")
    compat.anonymize_dicom_file(str(source), str(target), {(0x0010, 0x0030): birth_year})
    assert dcmread(target).PatientBirthDate == f"{cast.ADA.birth_date[:4]}0101"
    out = BytesIO()
    compat.anonymize_dicom_file(BytesIO(source.read_bytes()), out, {(0x0010, 0x0030): birth_year})
    assert out.getvalue() == target.read_bytes()
    source.write_bytes(b"no DICOM")
    with pytest.raises(DeidError):
        compat.anonymize_dicom_file(source, target)
    assert out.getvalue() == target.read_bytes() and len(list(tmp_path.iterdir())) == 2


def test_a_folder_is_done_whole_and_says_what_was_not(tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    (source / "Exampleova").mkdir(parents=True)
    target.mkdir()
    (source / "Exampleova" / "1.dcm").write_bytes(cast.part10(cast.ct()))
    compat.anonymize(str(source), str(target), {(0x0010, 0x0030): birth_year}, True)
    (clean,) = (path for path in target.rglob("*") if path.is_file())
    assert dcmread(clean).PatientBirthDate.endswith("0101") and "Exampleova" not in str(
        clean.relative_to(target)
    )
    held = cast.ct(instance=2)
    held.BurnedInAnnotation = "YES"
    (source / "2.dcm").write_bytes(cast.part10(held))
    with pytest.raises(DeidError, match=r"1 of 2 files .* Burned In"):
        compat.anonymize(str(source), str(target), {}, True)
