"""Each form of dicom-anonymizer's command line, beside dicom-anonymizer itself: both leave the same value (W12-W18)."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from dicomanonymizer.anonymizer import parse_dictionary_argument, parse_tag_actions_arguments
from dicomanonymizer.simpledicomanonymizer import anonymize_dicom_file
from pydicom import dcmread
from pydicom.dataset import Dataset

from proxy.deid import Engine, RecipeError, Subject
from proxy.deid.library import deidentify_bytes
from proxy.deid.oneoff import recipe_with, rules_of
from tests import cast

pytestmark = pytest.mark.filterwarnings(
    "ignore:Invalid value for VR", "ignore:.*deprecated", "ignore::UserWarning"
)


def image() -> Dataset:
    ds = cast.ct()
    ds.add_new(0x60000010, "US", 64)
    ds.add_new(0x60000022, "LO", "kernel")
    ds.private_block(0x0019, "EXAMPLE", create=True).add_new(0x0A, "LO", "fast")
    return ds


def ours(words: list[list[str]], dictionary: Path | None, *, keep_private: bool = False) -> Dataset:
    engine = Engine(recipe_with("basic", rules_of(words, dictionary), keep_private=keep_private))
    subject = Subject("ANON-AAAAAAAAAAAAAAAA", 10, bytes(32))
    content, _ = deidentify_bytes(cast.part10(image()), engine, lambda _: subject)
    return dcmread(BytesIO(content))


def theirs(
    words: list[list[str]], dictionary: Path | None, folder: Path, *, keep_private: bool = False
) -> Dataset:
    actions: dict[Any, Any] = {}
    parse_tag_actions_arguments(words, actions)
    if dictionary:
        parse_dictionary_argument(str(dictionary), actions)
    source, target = folder / "in.dcm", folder / "out.dcm"
    source.write_bytes(cast.part10(image()))
    anonymize_dicom_file(str(source), str(target), actions, not keep_private)
    return dcmread(target)


def value(ds: Dataset, tag: int) -> str:
    """Empty or absent is one: ours leaves empty what the SOP Class must have and takes out what it need not."""
    found = ds[tag].value if tag in ds else None
    return "" if found is None else str(found)


WORDS = [
    (["(0x0010, 0x0040)", "keep"], 0x00100040),
    (["(0x0010,0x0040)", "keep"], 0x00100040),
    (["(0x10, 0x40)", "keep"], 0x00100040),
    (["(16, 64)", "keep"], 0x00100040),
    (["0x0010, 0x0040", "keep"], 0x00100040),
    (["(0x0010, 0x0040)", "empty"], 0x00100040),
    (["(0x0010, 0x0040)", "delete"], 0x00100040),
    (["(0x0018, 0x0050)", "delete"], 0x00180050),
    (["(0x0010, 0x0010)", "replace_with_value", "new_value"], 0x00100010),
    (["(0x0008, 0x103E)", "replace_with_value", "two words"], 0x0008103E),
    (["(0x0008, 0x0020)", "regexp", "0115$", "0000"], 0x00080020),
    (["(0x0008, 0x103E)", "regexp", "AXIAL", "SAGITTAL"], 0x0008103E),
    (["(0x0008, 0x103E)", "regexp", "(AX)IAL", r"\1"], 0x0008103E),
    (["(0x0008, 0x103E)", "delete_or_empty"], 0x0008103E),
    (["(0x6000, 0x0022, 0xFF00, 0xFFFF)", "delete"], 0x60000022),
    (["(0x0019, 0x100A)", "keep"], 0x0019100A),
]


@pytest.mark.parametrize(("words", "tag"), WORDS)
def test_a_rule_does_what_it_does_there(words: list[str], tag: int, tmp_path: Path) -> None:
    assert value(ours([words], None), tag) == value(theirs([words], None, tmp_path), tag)


def test_rules_may_stand_several_times_and_beside_a_dictionary(tmp_path: Path) -> None:
    words = [["(0x0010, 0x0040)", "keep"], ["(0x0010, 0x1030)", "keep"]]
    file = tmp_path / "dictionary.json"
    said = {
        "(0x0008, 0x103E)": {"action": "regexp", "find": "AXIAL", "replace": "SAGITTAL"},
        "(0x0010, 0x0010)": {"action": "replace_with_value", "value": "new_value"},
        "(0x0018,0x0050)": "delete",
        "(0x0028, 0x0030)": "keep",
    }
    file.write_text(json.dumps(said))
    mine, other = ours(words, file), theirs(words, file, tmp_path)
    for tag in (0x00100040, 0x00101030, 0x0008103E, 0x00100010, 0x00180050, 0x00280030):
        assert value(mine, tag) == value(other, tag)


@pytest.mark.parametrize("keep", [True, False])
def test_private_attributes_stay_or_go_as_there(keep: bool, tmp_path: Path) -> None:
    mine = ours([], None, keep_private=keep)
    other = theirs([], None, tmp_path, keep_private=keep)
    assert value(mine, 0x0019100A) == value(other, 0x0019100A) == ("fast" if keep else "")


ALL_ACTIONS = (
    "replace", "empty", "delete", "replace_UID", "empty_or_replace", "delete_or_empty", "delete_or_replace",
    "delete_or_empty_or_replace", "delete_or_empty_or_replace_UID", "keep", "deleteOrEmptyOrReplace",
)  # fmt: skip


@pytest.mark.parametrize("action", ALL_ACTIONS)
def test_each_action_has_its_name_here(action: str) -> None:
    tag = "(0x0020, 0x0052)" if "UID" in action else "(0x0008, 0x103E)"
    found = value(ours([[tag, action]], None), 0x0008103E)
    assert (found == "CT AXIAL 3 mm") == (action == "keep")


@pytest.mark.parametrize(
    "tag", ["(0x6000, 0x0022, 0xFF01, 0xFFFF)", "(0x0010)", "(0x10000, 0x0010)", "(1, 2, 3)"]
)
def test_what_is_no_tag_is_refused_with_a_sentence(tag: str) -> None:
    with pytest.raises(RecipeError):
        recipe_with("basic", rules_of([[tag, "keep"]], None), keep_private=False)
