"""The forms of dicom-anonymizer (W12-W20) on our engine: a script goes on by changing its import.

    from proxy.deid.compat import ALL_TAGS, anonymize, anonymize_dataset, keep

What is stricter here, on purpose (docs/library.md):
- gates: what may show a name in its pixels, a document or a report raises HeldError instead of passing;
- everything that no rule mentions follows the Basic Profile: unknown attributes go, text that stays is hunted, rules
  hold at every depth, File Meta and the marks (0012,0062) to (0012,0064) are always written by us;
- a rule that cannot do what it says (a regular expression on numbers ...) is refused before any image;
- files below a folder get names of pseudonyms, because names of files may be names of persons.
Dates, empty values and dummies are ours; names and ids become pseudonyms. Without a key of your own (`keyed=`) it is a
new one in each process: then the same UID becomes the same in this run only.
"""

import os
import secrets
from collections.abc import Callable, Mapping
from functools import cache, lru_cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from proxy.deid.engine import Engine
from proxy.deid.errors import DeidError, RecipeError
from proxy.deid.folder import HELD, REFUSED, deidentify_folder
from proxy.deid.keyed import Keyed
from proxy.deid.library import deidentify_bytes, deidentify_dataset
from proxy.deid.oneoff import recipe_with
from proxy.deid.plan import MARKS
from proxy.deid.tables import profile

TagTuple: TypeAlias = tuple[int, ...]  # (group, element), or with a mask for each: (0x5000, 0, 0xFF00, 0)
Function: TypeAlias = Callable[[Any, Any], None]
Rules: TypeAlias = Mapping[TagTuple, Function]
File: TypeAlias = "str | os.PathLike[str] | BinaryIO"

_CODES: Final = {
    "D": "replace", "Z": "empty", "X": "delete", "U": "replace_UID", "Z/D": "empty_or_replace",
    "X/Z": "delete_or_empty", "X/D": "delete_or_replace", "X/Z/D": "delete_or_empty_or_replace",
    "X/Z/U": "delete_or_empty_or_replace_UID",
}  # fmt: skip
_DATABASES: Final = {f"dicomfields_{edition}": edition for edition in ("2026c", "2024b", "2023", "2021b")}
# With base rules of one's own, what they do not name stays, and we claim nothing
_UNTOUCHED: Final = {"edition": "none", "hunting": False, "marks": False}
_OURS: Final = (0x0000, 0x0002)  # groups that no rule can change: they are always written anew


class Action:
    """The name of an action, in the place of dicom-anonymizer's function. It is never called with a Dataset."""

    def __init__(self, name: str, *arguments: str) -> None:
        self.name = name
        self.arguments = arguments
        self.__name__ = name

    def __call__(self, dataset: Any, tag: Any) -> None:
        raise RecipeError(f"{self.name} is an action for anonymize_dataset and cannot be called by itself")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Action) and self.said == other.said

    def __hash__(self) -> int:
        return hash(self.said)

    @property
    def said(self) -> tuple[str, ...]:
        return (self.name, *self.arguments)

    def __repr__(self) -> str:
        return self.name


keep = Action("keep")
delete = Action("delete")
empty = Action("empty")
replace = Action("replace")
replace_UID = Action("replace_UID")  # noqa: N816 - the name that scripts use
empty_or_replace = Action("empty_or_replace")
delete_or_empty = Action("delete_or_empty")
delete_or_replace = Action("delete_or_replace")
delete_or_empty_or_replace = Action("delete_or_empty_or_replace")
delete_or_empty_or_replace_UID = Action("delete_or_empty_or_replace_UID")  # noqa: N816


def regexp(options: "list[str] | dict[str, str]") -> Action:
    """[find, replace] or {"find": ..., "replace": ...}."""
    return Action("regexp", *_arguments(options, "find", "replace"))


def replace_with_value(options: "list[str] | dict[str, str]") -> Action:
    """[value] or {"value": ...}."""
    return Action("replace_with_value", *_arguments(options, "value"))


def _arguments(options: "list[str] | dict[str, str]", *names: str) -> tuple[str, ...]:
    if isinstance(options, dict):
        missing = [name for name in names if name not in options]
        if missing:
            raise ValueError(f"Missing field: {missing[0]}")
        return tuple(str(options[name]) for name in names)
    if len(options) != len(names):
        raise ValueError(f"{len(names)} argument(s) are expected")
    return tuple(str(option) for option in options)


class BaseRules(dict[TagTuple, Function]):
    """The rules of one edition of the table; what was changed in them counts as a rule of one's own."""

    def __init__(self, edition: str) -> None:
        super().__init__({tag: Action(_CODES[code]) for tag, code in _table(edition).items()})
        self.edition = edition

    def own(self) -> dict[TagTuple, Function]:
        table = _table(self.edition)
        mine = {
            tag: act for tag, act in self.items() if tag not in table or act != Action(_CODES[table[tag]])
        }
        return mine | {tag: keep for tag in table if tag not in self}


@cache
def _table(edition: str) -> Mapping[TagTuple, str]:
    return {_tag_tuple(mask): row["basic"] for mask, row in profile(edition).items()}


def _tag_tuple(mask: str) -> TagTuple:
    parts = mask[:4], mask[4:]
    numbers = tuple(int(part.replace("X", "0"), 16) for part in parts)
    if "X" not in mask:
        return numbers
    return numbers + tuple(int("".join("0" if digit == "X" else "F" for digit in part), 16) for part in parts)


def _of(*codes: str) -> list[TagTuple]:
    return [tag for tag, code in _table("2023").items() if code in codes]


D_TAGS: Final = _of("D")
Z_TAGS: Final = _of("Z")
X_TAGS: Final = _of("X")
U_TAGS: Final = _of("U")
Z_D_TAGS: Final = _of("Z/D")
X_Z_TAGS: Final = _of("X/Z")
X_D_TAGS: Final = _of("X/D")
X_Z_D_TAGS: Final = _of("X/Z/D")
X_Z_U_STAR_TAGS: Final = _of("X/Z/U")
ALL_TAGS: Final = _of(*_CODES)


def initialize_actions(dicom_version: str = "dicomfields_2023") -> BaseRules:
    """The table's action for each attribute (W14). Raises ValueError for an edition that nobody knows."""
    edition = _DATABASES.get(dicom_version)
    if edition is None:
        raise ValueError(f"Unknown DICOM anonymization database: {dicom_version}")
    return BaseRules(edition)


def initialize_actions_2024b() -> BaseRules:
    return initialize_actions("dicomfields_2024b")


_RUN: Final = Keyed(secrets.token_bytes(32))


def anonymize_dataset(
    dataset: Dataset,
    extra_anonymization_rules: Rules | None = None,
    delete_private_tags: bool = True,
    base_rules_gen: Callable[[], Rules] = initialize_actions,
    *,
    keyed: Keyed = _RUN,
) -> None:
    """In place. Raises HeldError, and RecipeError for rules that cannot be meant; then nothing is changed."""
    engine = _engine(dataset, extra_anonymization_rules, delete_private_tags, base_rules_gen)
    clean, _ = deidentify_dataset(dataset, engine, keyed.subject)
    dataset.clear()
    dataset.update(clean)
    dataset.file_meta = clean.file_meta
    dataset.preamble = clean.preamble
    implicit, little = clean.original_encoding
    dataset.set_original_encoding(implicit, little, clean.original_character_set)


def anonymize_dicom_file(
    in_file: File,
    out_file: File,
    extra_anonymization_rules: Rules | None = None,
    delete_private_tags: bool = True,
    base_rules_gen: Callable[[], Rules] = initialize_actions,
    *,
    keyed: Keyed = _RUN,
) -> None:
    """Paths, or files that are open for bytes. Nothing is written of what raises."""
    data = Path(in_file).read_bytes() if isinstance(in_file, (str, os.PathLike)) else in_file.read()
    whole = partial(dcmread, BytesIO(data), force=True)
    engine = _engine(whole, extra_anonymization_rules, delete_private_tags, base_rules_gen)
    clean, _ = deidentify_bytes(data, engine, keyed.subject)
    if not isinstance(out_file, (str, os.PathLike)):
        out_file.write(clean)
        return
    target = Path(out_file)
    beside = target.with_name(f".{secrets.token_hex(6)}.part")
    try:
        beside.write_bytes(clean)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def anonymize(
    input_path: str,
    output_path: str,
    anonymization_actions: Rules,
    delete_private_tags: bool,
    *,
    keyed: Keyed = _RUN,
) -> None:
    """A file, or all files below a folder (recursively). Raises DeidError if one could not be de-identified; the
    others are done by then."""
    source, target = Path(input_path), Path(output_path)
    if source.is_file() and not target.is_dir():
        anonymize_dicom_file(source, target, anonymization_actions, delete_private_tags, keyed=keyed)
        return
    engine = _engine(_nobody, anonymization_actions, delete_private_tags, initialize_actions)
    fates = list(deidentify_folder(source, target, engine, keyed.subject))
    left = [fate for fate in fates if fate.kind in {HELD, REFUSED}]
    if left:
        raise DeidError(
            f"{len(left)} of {len(fates)} files were not de-identified; the first: {left[0].reason}"
        )


def _nobody() -> Dataset:
    """For functions over a folder: each sees the attribute alone."""
    return Dataset()


# Rules become a recipe, functions become functions of the engine


def _engine(
    whole: "Dataset | Callable[[], Dataset]",
    extra: Rules | None,
    delete_private_tags: bool,
    base_rules_gen: Callable[[], Rules],
) -> Engine:
    base = base_rules_gen()
    own = base.own() if isinstance(base, BaseRules) else dict(base)
    own |= extra or {}
    edition = base.edition if isinstance(base, BaseRules) else ""
    said = {_written(tag): act.said for tag, act in own.items() if isinstance(act, Action) and _is_ours(tag)}
    recipe = _recipe(edition, tuple(said.items()), not delete_private_tags)
    functions = {tag: act for tag, act in own.items() if not isinstance(act, Action)}
    if any(len(tag) != 2 for tag in functions):
        raise RecipeError("a function is for one attribute, not for a repeating group")
    return Engine(
        recipe,
        functions={tag[0] << 16 | tag[1]: _with_the_whole(act, whole) for tag, act in functions.items()},
    )


def _is_ours(tag: TagTuple) -> bool:
    """Group 0 and 2, group lengths and marks are left to the engine, whatever a list of all tags says."""
    number = tag[0] << 16 | tag[1]
    return len(tag) > 2 or not (tag[0] in _OURS or tag[1] == 0 or number in MARKS)


def _written(tag: TagTuple) -> str:
    """A tag as recipes write it, with x where the mask has no bits."""
    parts = [f"{part:04X}" for part in tag[:2]]
    for index, mask in enumerate(f"{part:04X}" for part in tag[2:4]):
        if set(mask) - {"0", "F"}:
            raise RecipeError("a mask holds whole digits: 0 or F")
        parts[index] = "".join(d if m == "F" else "x" for d, m in zip(parts[index], mask, strict=True))
    return f"({parts[0]},{parts[1]})"


@lru_cache(maxsize=64)
def _recipe(edition: str, said: tuple[tuple[str, tuple[str, ...]], ...], keep_private: bool) -> Any:
    rules = {tag: {name: list(arguments)} if arguments else name for tag, (name, *arguments) in said}
    keys: dict[str, Any] = {"edition": edition} if edition else dict(_UNTOUCHED)
    return recipe_with("basic", rules, keep_private=keep_private, **keys)


def _with_the_whole(function: Function, whole: "Dataset | Callable[[], Dataset]") -> Function:
    """The function sees a copy of the whole data set, as it does there; only its own attribute is taken from it."""

    def act(view: Any, tag: Any) -> None:
        original = whole() if callable(whole) else whole
        if Tag(tag) not in original or original[tag] != view[tag]:
            function(view, (tag.group, tag.element))
            return
        copy = Dataset()
        copy.update(original)
        copy[tag] = view[tag]
        function(copy, (tag.group, tag.element))
        if tag in copy:
            view[tag] = copy[tag]
        else:
            del view[tag]

    return act
