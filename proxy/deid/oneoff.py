"""A recipe for one call: what stands on the command line or in a dictionary, on top of a recipe (W16-W18).

The forms are those that users of dicom-anonymizer know. They become a recipe file that extends the other, so the
same checks hold and the same sentences name what is wrong.
"""

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from proxy.deid.errors import RecipeError
from proxy.deid.recipe import Recipe, load_recipe

NAME = "command-line"
_NUMBER = r"\s*(?:0[xX][0-9A-Fa-f]{1,4}|0|[1-9]\d{0,4})\s*"
_NUMBERS = re.compile(rf"\(?{_NUMBER}(?:,{_NUMBER}){{1,3}}\)?")


def recipe_with(
    base: str, rules: Mapping[str, Any] = MappingProxyType({}), *, keep_private: bool = False, **keys: Any
) -> Recipe:
    """The recipe `base` with these rules on top; itself where there are none. Raises RecipeError.

    `keys` are further keys of a recipe, such as `edition`.
    """
    below = load_recipe(base)
    if not rules and not keep_private and not keys:
        return below
    parent = str(Path(base).resolve()) if base.endswith((".yaml", ".yml")) else base
    said: dict[str, Any] = {"name": f"{NAME} on {below.name}"[:40], "extends": parent, "rules": dict(rules)}
    said |= keys
    if keep_private and keys.get("edition", below.edition) not in ("", "none"):
        said["private"] = "keep"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{NAME}.yaml"
        path.write_text(yaml.safe_dump(said, sort_keys=False), encoding="utf-8")
        return load_recipe(str(path))


def rules_of(given: Sequence[Sequence[str]], dictionary: Path | None) -> dict[str, Any]:
    """`-t TAG ACTION [ARGUMENTS]` wins over the dictionary's entry for the same tag."""
    rules = {_tag(tag): said for tag, said in _dictionary(dictionary).items()} if dictionary else {}
    for words in given:
        if len(words) < 2:
            raise RecipeError("-t takes a tag, an action and its arguments")
        tag, action, *arguments = words
        rules[_tag(tag)] = {action: list(arguments)} if arguments else action
    return rules


def _tag(text: str) -> str:
    """Numbers as Python writes them become a tag as recipes write it; a mask becomes an x for each free digit."""
    words = [word.strip() for word in text.strip("() ").split(",")]
    if not _NUMBERS.fullmatch(text.strip()) or (
        all(len(word) == 4 for word in words[:2]) and len(words) == 2
    ):
        return text
    parts = [int(word, 0) for word in words]
    if len(parts) not in (2, 4) or max(parts) > 0xFFFF:
        raise RecipeError(f"{text!r} is no tag: two numbers, and a mask for each if it is a range")
    masks = parts[2:] or [0xFFFF, 0xFFFF]
    return f"({_digits(parts[0], masks[0])},{_digits(parts[1], masks[1])})"


def _digits(part: int, mask: int) -> str:
    if set(f"{mask:04X}") - {"0", "F"}:
        raise RecipeError("a mask holds whole digits: 0 or F")
    return "".join(
        digit if held == "F" else "x" for digit, held in zip(f"{part:04X}", f"{mask:04X}", strict=True)
    )


def _dictionary(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise RecipeError(f"{path.name}: this is no JSON that can be read") from None
    if not isinstance(said, dict):
        raise RecipeError(f"{path.name}: a dictionary maps tags to actions")
    return said
