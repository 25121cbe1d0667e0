"""docs/audit.md names every act that leaves a mark, and where it is written."""

import ast
import re

import pytest

from config import settings as declared
from proxy.audit import actions
from tests.docs import reading

TEXT = reading.text("docs/audit.md")
ROWS = re.findall(r"^\| `([^`]+)` \| (.+) \| `(proxy/[^`]+\.py)` \|$", TEXT, re.MULTILINE)
CONSTANTS = {value: name for name, value in vars(actions).items() if name.isupper()}


def test_every_act_is_described_once_and_no_other() -> None:
    assert sorted(row[0] for row in ROWS) == sorted(CONSTANTS)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_the_act_is_written_where_it_says(row: tuple[str, str, str]) -> None:
    """A file that names the constant inside of a function, and not in an import alone."""
    action, meaning, place = row
    assert len(meaning) > 5
    functions = [one for one in ast.walk(ast.parse(reading.text(place))) if isinstance(one, ast.FunctionDef)]
    used = {name for one in functions for node in ast.walk(one) if (name := _name(node))}
    known_as = {CONSTANTS[action], *_other_names(place, CONSTANTS[action])}
    assert used & known_as, f"{place} does not write {action}"


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _other_names(place: str, constant: str) -> set[str]:
    imports = [one for one in ast.walk(ast.parse(reading.text(place))) if isinstance(one, ast.ImportFrom)]
    names = [one for module in imports if module.module == "proxy.audit.actions" for one in module.names]
    return {one.asname for one in names if one.name == constant and one.asname}


def test_every_setting_that_is_named_exists() -> None:
    for name in set(re.findall(r"\b(?:AUDIT|RETENTION)_[A-Z_]+\b", TEXT)):
        assert hasattr(declared, name), name


def test_no_other_word_is_written_as_an_act() -> None:
    """Whatever calls `record` or `Mark` does it with one of them."""
    for path in sorted((reading.ROOT / "proxy").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _name(node.func) in {"record", "Mark"} and node.args:
                assert not isinstance(node.args[0], ast.Constant), f"{path}: line {node.lineno}"
