"""docs/site.md describes every key of the site file and no other, and its examples are read."""

import re
from pathlib import Path

import pytest

from proxy.network.quirks import QUIRKS
from proxy.routing.site import read
from proxy.routing.site.schema import FIELDS, SECTIONS, One
from proxy.routing.site.specs import GrantSpec

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "site.md").read_text(encoding="utf-8")
KINDS = {**SECTIONS, "grant": GrantSpec}


def rows(section: str) -> dict[str, str]:
    """key -> the rest of its line, of the first table under this heading."""
    part = re.split(r"^#{2,3} ", TEXT, flags=re.MULTILINE)
    body = next(one for one in part if one.startswith(f"{section}\n"))
    return dict(re.findall(r"^\| `(\w+)` (\|.*)$", body, flags=re.MULTILINE))


@pytest.mark.parametrize("section", KINDS)
def test_every_key_is_described_and_no_other(section: str) -> None:
    fields = FIELDS[KINDS[section]]
    described = rows(section)
    assert list(described) == list(fields)
    for name, field in fields.items():
        required = isinstance(field, One) and field.required
        assert required == ("required" in described[name]), name


def test_every_quirk_is_described_as_in_its_table() -> None:
    lines = [
        line for line in TEXT.split("### quirks")[1].split("##")[0].splitlines() if line.startswith("| `")
    ]
    assert lines == [f"| `{name}` | {meaning} |" for name, meaning in QUIRKS.items()]


@pytest.mark.parametrize("document", ["docs/site.md", "README.md"])
def test_the_examples_are_read(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    found = [one for one in re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL) if "routes:" in one]
    assert found
    for example in found:
        assert read(example, recipe_trouble=lambda recipe: None).routes
