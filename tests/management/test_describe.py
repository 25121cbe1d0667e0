"""`describe RECIPE`: the table that a privacy officer reads before a recipe is used."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command


def rows(*words: str) -> dict[str, dict[str, Any]]:
    out = StringIO()
    call_command("describe", *words, "--json", stdout=out)
    return {row["keyword"]: row for row in json.loads(out.getvalue())}


def test_every_attribute_has_its_action_and_who_says_so() -> None:
    basic, research = rows("basic"), rows("research")
    assert len(basic) > 4000
    assert basic["PatientID"]["action"] == "pseudonym"
    assert basic["PatientWeight"]["action"] == "delete"
    assert research["PatientWeight"]["action"] == "keep"
    assert {row["source"] for row in basic.values()} <= {"rule", "option", "table", "default"}


def test_a_single_attribute_is_found_by_name_and_by_tag() -> None:
    assert list(rows("basic", "--find", "(0010,1030)")) == list(rows("basic", "--find", "patientweight"))


def test_a_recipe_that_cannot_be_loaded_is_named_with_its_line(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("extends: basic\nrules:\n  PatientNmae: keep\n")
    with pytest.raises(CommandError, match=r"mine\.yaml:3"):
        call_command("describe", str(recipe))


def test_a_rule_of_ones_own_is_shown_with_its_file_and_line(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        "extends: basic\nrules:\n  StudyID: {allow: [T1]}\n  '(0019,xx01, \"ACME\")': keep\n  (0008,009x): empty\n"
    )
    own = {key: row for key, row in rows(str(recipe)).items() if row["source"] == "rule"}
    assert own["StudyID"]["where"] == "mine.yaml:3" and own["StudyID"]["arguments"] == ["T1"]
    assert own["ReferringPhysicianName"]["where"] == own["(0008,009x)"]["where"] == "mine.yaml:5"
    assert own['(0019,xx01, "ACME")']["where"] == "mine.yaml:4"
    out = StringIO()
    call_command("describe", str(recipe), "--find", "StudyID", stdout=out)
    assert "allow 'T1'" in out.getvalue() and "mine.yaml:3" in out.getvalue()
