"""Rules of one call, in the forms that users of dicom-anonymizer know (W12-W18)."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from proxy.deid import Engine, RecipeError, Subject
from proxy.deid.library import deidentify_bytes
from proxy.deid.oneoff import recipe_with, rules_of
from tests import cast


def after(rules: dict[str, Any], image: Dataset | None = None, *, keep_private: bool = False) -> Dataset:
    engine = Engine(recipe_with("basic", rules, keep_private=keep_private))
    subject = Subject("ANON-AAAAAAAAAAAAAAAA", 10, bytes(32))
    content, _ = deidentify_bytes(cast.part10(image or cast.ct()), engine, lambda _: subject)
    return dcmread(BytesIO(content))


def test_without_rules_it_is_the_recipe_itself() -> None:
    assert recipe_with("basic", {}, keep_private=False).name == "basic"


@pytest.mark.parametrize(
    ("words", "keyword", "value"),
    [
        (["(0x0010, 0x0040)", "keep"], "PatientSex", "F"),
        (["(0x0010,0x0010)", "replace_with_value", "new_value"], "PatientName", "new_value"),
        (["(0x0008, 0x0020)", "regexp", "0115$", "0000"], "StudyDate", "20240000"),
        (["PatientSex", "empty"], "PatientSex", ""),
        (["(0x0010, 0x0040)", "deleteOrEmptyOrReplace"], "PatientSex", ""),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR DA")
def test_a_rule_on_the_command_line_wins(words: list[str], keyword: str, value: str) -> None:
    assert str(after(rules_of([words], None)).get(keyword)) == value


def test_a_dictionary_says_the_same_and_the_command_line_wins_over_it(tmp_path: Path) -> None:
    file = tmp_path / "dictionary.json"
    file.write_text(
        json.dumps(
            {
                "(0x0010, 0x0040)": "keep",
                "(0x0008, 0x103E)": {"action": "regexp", "find": "AXIAL", "replace": "SAGITTAL"},
                "(0x0010, 0x1030)": "keep",
            }
        )
    )
    image = after(rules_of([["(0x0010, 0x1030)", "delete"]], file))
    assert image.PatientSex == "F"
    assert image.SeriesDescription == "CT SAGITTAL 3 mm"
    assert "PatientWeight" not in image


def test_private_attributes_stay_where_asked_and_are_hunted() -> None:
    image = cast.ct()
    block = image.private_block(0x0099, "EXAMPLE", create=True)
    block.add_new(1, "LO", "kernel B30")
    block.add_new(2, "LO", f"of {cast.ADA.name.partition('^')[0]}")
    assert after({}, image).get((0x0099, 0x1001)) is None
    kept = after({}, image, keep_private=True)
    assert kept[0x0099, 0x1001].value == "kernel B30"
    assert cast.ADA.name.partition("^")[0] not in str(kept)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["PatientNmae", "keep"], "PatientNmae"),
        (["PatientName", "forget"], "forget"),
        (["PatientName"], "-t takes"),
        (["PatientName", "regexp", "(", "x"], "regular expression"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        recipe_with("basic", rules_of([words], None), keep_private=False)
