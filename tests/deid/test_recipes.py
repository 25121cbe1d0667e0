"""Recipes mean what they say, and what cannot mean anything is refused with file and line."""

import secrets
from pathlib import Path

import pytest

from proxy.deid import Engine, RecipeError, deidentify, describe, intact, load_recipe
from proxy.deid.recipe import SHIPPED
from tests.aside import changed
from tests.deid.build import EXPLICIT, IMPLICIT, SUBJECT, cleaned, ct, encoded, item, read

CODES = {
    "basic": {"113100"},
    "research": {"113100", "113105", "113107", "113108", "113109", "113111"},
    "limited": {"113100", "113105", "113106", "113108"},
}


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.yaml")))
def test_every_shipped_recipe_loads_under_its_own_name(name: str) -> None:
    assert load_recipe(name).name == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules: {PatientNam: keep}", "mine.yaml:1: 'PatientNam' is no keyword"),
        ("rules:\n  PatientName: vanish", "mine.yaml:2: 'vanish' is no action"),
        ("rules:\n  PatientName: keep\n  (0010,0010): delete", "mine.yaml:3: contradicts mine.yaml:2"),
        ("options: [full-dates, modified-dates]", "mine.yaml:1: full-dates and modified-dates"),
        ("options: [dates]", "mine.yaml:1: 'dates' is no option"),
        ("edition: 1999a", "mine.yaml:1: edition is one of"),
        ("colour: blue", "mine.yaml:1: unknown key 'colour'"),
        ("rules: {'(0002,0010)': keep}", "mine.yaml:1: '(0002,0010)' can never match"),
        ("rules: {PatientName: {regexp: ['(', x]}}", "mine.yaml:1: the regular expression is wrong"),
        ("rules: {PatientName: {regexp: [x]}}", "mine.yaml:1: regexp takes 2"),
        ("rules: {PatientName > PatientID: keep}", "mine.yaml:1: 'PatientName' is no sequence"),
        ("rules: {'(0010,xx10, \"ACME\")': keep}", "mine.yaml:1: '(0010,xx10, \"ACME\")' names a private"),
        ("burned-in: sometimes", "mine.yaml:1: burned-in is one of"),
        ("extends: nobody", "mine.yaml:1: there is no recipe 'nobody'"),
        ("- a\n- b", "mine.yaml:1: a recipe is a mapping"),
        ("rules: [", "mine.yaml:1: not YAML"),
    ],
)
def test_nonsense_is_refused_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match="^" + message.replace("(", r"\(").replace(")", r"\)")):
        load_recipe(written(tmp_path, text))


def test_rules_add_to_the_parents_table(tmp_path: Path) -> None:
    text = """
extends: basic
rules:
  PatientSex: keep
  (0008,0080): {replace_with_value: SOMEWHERE}
  StudyID: {regexp: ['^1', 'S']}
  SeriesDescription: {allow: [T1, T2]}
  RequestAttributesSequence: keep
  RequestAttributesSequence > ScheduledProcedureStepID: keep
  (0019,xx01, "ACME"): keep
"""
    ds = ct()
    ds.InstitutionName, ds.StudyID, ds.SeriesDescription = "Klinikum", "12", "T1"
    ds.RequestAttributesSequence = item(ScheduledProcedureStepID="SPS9", RequestedProcedureID="RP9")
    ds.ScheduledProcedureStepID = "SPS8"
    ds.add_new(0x00190012, "LO", "ACME")
    ds.add_new(0x00191201, "DS", "1.5")
    ds.add_new(0x00191202, "DS", "2.5")
    out, clean = cleaned(ds, written(tmp_path, text))
    image = read(out, clean)
    assert (image.PatientSex, image.InstitutionName, image.StudyID) == ("F", "SOMEWHERE", "S2")
    assert image.SeriesDescription == "T1"
    assert image.RequestAttributesSequence[0].ScheduledProcedureStepID == "SPS9"
    assert "ScheduledProcedureStepID" not in image
    assert image[0x00191201].value == 1.5 and 0x00191202 not in image


@pytest.mark.parametrize("recipe", CODES)
def test_every_clean_image_says_how_it_became_clean(recipe: str) -> None:
    ds = ct()
    ds.DeidentificationMethod = "Somebody before us"
    for syntax in (EXPLICIT, IMPLICIT):
        out, clean = cleaned(ds, recipe, syntax)
        image = read(out, clean)
        assert image.PatientIdentityRemoved == "YES"
        assert image.DeidentificationMethod[0] == "Somebody before us"
        assert image.DeidentificationMethod[1] == f"Postern {recipe} 2026c"
        assert {code.CodeValue for code in image.DeidentificationMethodCodeSequence} == CODES[recipe]
        tags = [element.tag for element in image]
        assert tags == sorted(tags)
    temporal = {"basic": "REMOVED", "research": "MODIFIED", "limited": "UNMODIFIED"}
    assert image.LongitudinalTemporalInformationModified == temporal[recipe]


def test_what_was_done_before_is_appended_to() -> None:
    once, _ = cleaned(ct(), "research")
    twice = deidentify(once, EXPLICIT, Engine(load_recipe("limited")), lambda facts: SUBJECT)
    image = read(b"".join(twice.rest), twice)
    codes = {code.CodeValue for code in image.DeidentificationMethodCodeSequence}
    assert codes == CODES["research"] | CODES["limited"]


def test_the_profile_is_not_claimed_where_a_rule_is_weaker(tmp_path: Path) -> None:
    out, clean = cleaned(ct(), written(tmp_path, "extends: basic\nrules: {PatientBirthDate: keep}"))
    assert "113100" not in clean.report.codes
    assert read(out, clean).PatientBirthDate == "19610427"


def test_references_and_multiple_values_are_mapped_alike() -> None:
    ds = ct()
    ds.ReferencedImageSequence = item(
        ReferencedSOPClassUID=ds.SOPClassUID, ReferencedSOPInstanceUID="1.2.3.4.5.1"
    )
    ds.FrameOfReferenceUID = "1.2.3.4.5"
    ds.add_new(0x0008001A, "UI", ["1.2.840.10008.5.1.4.1.1.2"])
    out, clean = cleaned(ds)
    image = read(out, clean)
    assert image.ReferencedImageSequence[0].ReferencedSOPInstanceUID == image.SOPInstanceUID
    assert image.ReferencedImageSequence[0].ReferencedSOPClassUID == ds.SOPClassUID
    assert image.FrameOfReferenceUID == image.StudyInstanceUID
    assert image.SOPInstanceUID.startswith("2.25.")
    assert clean.values[0x00080018].decode() == image.SOPInstanceUID


def test_dates_shift_together_and_times_never() -> None:
    ds = ct()
    ds.SeriesDate, ds.AcquisitionDateTime = "20200301", "20200229235959.5+0100"
    ds.RadiopharmaceuticalInformationSequence = item(
        RadiopharmaceuticalStartTime="101500", RadiopharmaceuticalStartDateTime="20200229101500"
    )
    out, clean = cleaned(ds, "research")
    image = read(out, clean)
    assert (image.StudyDate, image.SeriesDate, image.StudyTime) == ("20191121", "20191122", "101112")
    assert image.AcquisitionDateTime == "20191121235959.5+0100"
    inner = image.RadiopharmaceuticalInformationSequence[0]
    assert inner.RadiopharmaceuticalStartTime == "101500"
    assert inner.RadiopharmaceuticalStartDateTime == "20191121101500"
    assert image.PatientWeight == 70 and image.PatientSex == "F"


def test_partial_dates_follow_the_basic_rule() -> None:
    out, clean = cleaned(ct(), "research", EXPLICIT, [(0x00080021, "DA", b"2020")])
    assert "SeriesDate" not in read(out, clean)


def test_an_empty_patient_is_somebody_too() -> None:
    ds = ct()
    del ds.PatientID, ds.PatientName
    out, clean = cleaned(ds)
    image = read(out, clean)
    assert image.PatientID == image.PatientName == SUBJECT.pseudonym
    assert clean.values[0x00100020] == SUBJECT.pseudonym.encode()


def test_two_engines_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the same seal, but for the key that is drawn for each."""
    monkeypatch.setattr(intact, "secrets", changed(secrets, token_bytes=bytes))
    data = encoded(ct())
    made = [
        deidentify(data, EXPLICIT, Engine(load_recipe("research")), lambda facts: SUBJECT) for _ in range(2)
    ]
    assert b"".join(made[0].rest) == b"".join(made[1].rest) and made[0].seal == made[1].seal


def test_a_recipe_can_be_described_attribute_by_attribute() -> None:
    rows = {row.keyword: (row.action, row.source) for row in describe(load_recipe("research"))}
    assert len(rows) > 4000
    assert rows["PatientID"] == ("pseudonym", "table")
    assert rows["StudyDate"] == ("shift_date", "option")
    assert rows["PatientWeight"][0] == "keep" and rows["PatientWeight"][1] == "option"
    assert rows["InstitutionName"] == ("delete_or_empty_or_replace", "table")
    assert rows["Rows"] == ("keep", "default")


@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x00080021, "DA", b"20240115-20240116"), (0x00080021, "DA", b"20240115-Quince"),
        (0x0008002A, "DT", b"20240115101500-20240116"), (0x00080031, "TM", b"20240115101500"),
        (0x00080031, "TM", b"Quince"), (0x00080031, "TM", b"101500-111500"),
    ],
)  # fmt: skip
def test_what_is_neither_date_nor_time_does_not_stay(tag: int, vr: str, value: bytes) -> None:
    """Half of it would tell by how many days the other half moved."""
    out, _ = cleaned(ct(), "research", EXPLICIT, [(tag, vr, value)])
    assert not [part for part in (b"20240116", b"20240115", b"Quince", b"111500") if part in out]


@pytest.mark.parametrize("value", [b"101500", b"10", b"1015", b"101500.123456", b"10:15:00", b"235960", b""])
def test_times_of_every_precision_stay(value: bytes) -> None:
    out, clean = cleaned(ct(), "research", EXPLICIT, [(0x00080031, "TM", value)])
    assert read(out, clean)[0x00080031].value == value.decode()


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_private_attributes_that_stay_are_treated_by_what_they_are(tmp_path: Path, syntax: str) -> None:
    ds = ct()
    block = ds.private_block(0x0019, "ACME", create=True)
    block.add_new(1, "UI", "1.2.3.4.5.6.7")
    block.add_new(2, "DA", "20240117")
    block.add_new(3, "PN", "Quince^Bertha")
    block.add_new(
        4, "SQ", item(PatientName="Quince^Bertha", PatientBirthDate="19610428", StudyInstanceUID="1.2.3.9")
    )
    block.add_new(5, "LO", "B30")
    out, clean = cleaned(ds, written(tmp_path, "extends: basic\nprivate: keep"), syntax)
    read(out, clean)
    if syntax == EXPLICIT:  # in the other nobody knows what they are
        assert not [
            one for one in (b"1.2.3.4.5.6.7", b"20240117", b"Quince", b"19610428", b"1.2.3.9\0") if one in out
        ]
        assert b"B30" in out
    else:
        assert not [one for one in (b"19610428", b"1.2.3.9\0") if one in out]
