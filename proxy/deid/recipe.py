"""Recipes: what an operator wants to happen, from YAML, checked completely before anything is done with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml

from proxy.deid.dictionary import KEYWORDS, vr_of
from proxy.deid.errors import RecipeError
from proxy.deid.tables import EDITIONS, OPTIONS

SHIPPED: Final = Path(__file__).resolve().parent / "recipes"
ALL_OPTIONS: Final = (*OPTIONS, "clean-pixel")
GATES: Final[Mapping[str, tuple[str, ...]]] = {
    "burned-in": ("quarantine", "mask", "refuse", "accept"),
    "documents": ("quarantine", "remove"),
    "structured-reports": ("quarantine", "remove", "clean"),
}
_KEYS: Final = frozenset(
    (
        "name",
        "extends",
        "edition",
        "options",
        "rules",
        "unknown",
        "private",
        "marks",
        "hunting",
        "dates",
        *GATES,
    )
)
_NO_ARGUMENT: Final = frozenset(
    (
        "keep", "delete", "empty", "replace", "replace_UID", "pseudonym", "shift_date", "year_only", "clean",
        "empty_or_replace", "delete_or_empty", "delete_or_replace", "deleteOrEmptyOrReplace",
        "delete_or_empty_or_replace", "delete_or_empty_or_replace_UID", "age_cap",
    )
)  # fmt: skip
_ARGUMENTS: Final[Mapping[str, int]] = {"replace_with_value": 1, "regexp": 2, "allow": -1}
ACTION_NAMES: Final = _NO_ARGUMENT | _ARGUMENTS.keys()
_TAG: Final = re.compile(
    r"\(?\s*(?:0x)?([0-9A-Fa-fxX]{4})\s*,\s*(?:0x)?([0-9A-Fa-fxX]{4})\s*(?:,\s*\"([^\"]+)\"\s*)?\)?$"
)


@dataclass(frozen=True, slots=True)
class Target:
    """Which elements a rule means: `path` are the sequences above ('' mask parts: any digit is x)."""

    mask: str  # eight hex digits, x for any
    creator: str = ""
    path: tuple[int, ...] = ()

    @property
    def tag(self) -> int | None:
        return None if "x" in self.mask or self.creator else int(self.mask, 16)

    def matches(self, tag: int) -> bool:
        return all(want in ("x", got) for want, got in zip(self.mask, f"{tag:08X}", strict=True))


@dataclass(frozen=True, slots=True)
class Line:
    """One rule of a recipe."""

    target: Target
    action: str
    arguments: tuple[str, ...] = ()
    where: str = ""


@dataclass(frozen=True, slots=True)
class Recipe:
    name: str
    edition: str = EDITIONS[0]  # '' for a recipe that starts from nothing
    options: frozenset[str] = frozenset()
    lines: tuple[Line, ...] = ()
    unknown: str = "remove"
    private: str = "remove"
    marks: bool = True
    hunting: bool = True
    gates: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    dates: str = "profile"  # or 'year': only the year stays (HIPAA Safe Harbor)

    def gate(self, name: str) -> str:
        return self.gates.get(name, "quarantine")


KEEP_ALL: Final = Recipe(
    name="keep-all", edition="", unknown="keep", private="keep", marks=False, hunting=False,
    gates=MappingProxyType({"burned-in": "accept", "documents": "accept", "structured-reports": "clean"}),
)  # fmt: skip


def load_recipe(name_or_path: str) -> Recipe:
    """A shipped recipe by name, or any by path. Raises RecipeError with file and line."""
    return _load(_find(name_or_path), ())


def _find(name_or_path: str) -> Path:
    path = Path(name_or_path)
    if path.suffix not in (".yaml", ".yml"):
        path = SHIPPED / f"{name_or_path}.yaml"
    if not path.is_file():
        raise RecipeError(f"there is no recipe {name_or_path!r}")
    return path


def _load(path: Path, seen: tuple[Path, ...]) -> Recipe:
    if path in seen:
        raise RecipeError(f"{path.name}: extends itself")
    source = _Source(path)
    parent_name = source.text("extends", "")
    parent = _load(_find_near(parent_name, path, source), (*seen, path)) if parent_name else None
    return _build(source, parent)


def _find_near(name: str, path: Path, source: "_Source") -> Path:
    beside = path.parent / f"{name}.yaml"
    if beside.is_file() and beside != path:
        return beside
    try:
        return _find(name)
    except RecipeError as trouble:
        raise source.error("extends", str(trouble)) from None


class _Source:
    """A YAML mapping that remembers the line of each key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as trouble:
            line = trouble.problem_mark.line + 1 if trouble.problem_mark else 1
            raise RecipeError(f"{path.name}:{line}: not YAML: {trouble.problem}") from None
        except (OSError, UnicodeDecodeError) as trouble:
            raise RecipeError(f"{path.name}: cannot be read ({type(trouble).__name__})") from None
        if not isinstance(node, yaml.MappingNode):
            raise RecipeError(f"{path.name}:1: a recipe is a mapping of keys to values")
        self.nodes: dict[str, yaml.Node] = {}
        for key, value in node.value:
            self._add(key, value)

    def _add(self, key: yaml.Node, value: yaml.Node) -> None:
        name = str(key.value)
        if name not in _KEYS:
            raise self.fault(key, f"unknown key {name!r}")
        if name in self.nodes:
            raise self.fault(key, f"{name} stands here twice")
        self.nodes[name] = value

    def fault(self, node: yaml.Node, message: str) -> RecipeError:
        return RecipeError(f"{self.path.name}:{node.start_mark.line + 1}: {message}")

    def error(self, key: str, message: str) -> RecipeError:
        return self.fault(self.nodes[key], message)

    def text(self, key: str, default: str, choices: tuple[str, ...] = ()) -> str:
        node = self.nodes.get(key)
        if node is None:
            return default
        if not isinstance(node, yaml.ScalarNode):
            raise self.fault(node, f"{key} is one word")
        if choices and node.value not in choices:
            raise self.fault(node, f"{key} is one of {', '.join(choices)}")
        return str(node.value)

    def flag(self, key: str, default: bool) -> bool:
        return self.text(key, str(default).lower(), ("true", "false")) == "true"

    def words(self, key: str, choices: tuple[str, ...]) -> frozenset[str]:
        node = self.nodes.get(key)
        if node is None:
            return frozenset()
        if not isinstance(node, yaml.SequenceNode):
            raise self.fault(node, f"{key} is a list")
        for item in node.value:
            if item.value not in choices:
                raise self.fault(item, f"{item.value!r} is no {key[:-1]}; there are {', '.join(choices)}")
        return frozenset(str(item.value) for item in node.value)

    def pairs(self, key: str) -> list[tuple[yaml.Node, yaml.Node]]:
        node = self.nodes.get(key)
        if node is None:
            return []
        if not isinstance(node, yaml.MappingNode):
            raise self.fault(node, f"{key} is a mapping")
        return list(node.value)


def _build(source: _Source, parent: Recipe | None) -> Recipe:
    base = parent or Recipe(name="", edition="")
    options = base.options | source.words("options", ALL_OPTIONS)
    if {"full-dates", "modified-dates"} <= options:
        raise source.error(
            "options" if "options" in source.nodes else "extends",
            "full-dates and modified-dates cannot both be wanted",
        )
    lines = tuple(_line(source, key, value) for key, value in source.pairs("rules"))
    _refuse_contradictions(source, lines)
    return Recipe(
        name=source.text("name", source.path.stem),
        edition=source.text("edition", base.edition, EDITIONS),
        options=options,
        lines=_override(base.lines, lines),
        unknown=source.text("unknown", base.unknown, ("remove", "keep")),
        private=source.text("private", base.private, ("remove", "keep")),
        marks=source.flag("marks", base.marks),
        hunting=source.flag("hunting", base.hunting),
        gates=MappingProxyType(_gates(source, base)),
        dates=source.text("dates", base.dates, ("profile", "year")),
    )


def _gates(source: _Source, base: Recipe) -> dict[str, str]:
    return {gate: source.text(gate, base.gate(gate), choices) for gate, choices in GATES.items()}


def _override(parents: tuple[Line, ...], children: tuple[Line, ...]) -> tuple[Line, ...]:
    mine = {line.target for line in children}
    return (*(line for line in parents if line.target not in mine), *children)


def _refuse_contradictions(source: _Source, lines: tuple[Line, ...]) -> None:
    seen: dict[Target, Line] = {}
    for line in lines:
        if line.target in seen:
            raise RecipeError(f"{line.where}: contradicts {seen[line.target].where}, the same attribute")
        seen[line.target] = line


def _line(source: _Source, key: yaml.Node, value: yaml.Node) -> Line:
    where = f"{source.path.name}:{key.start_mark.line + 1}"
    try:
        target = parse_target(str(key.value))
        action, arguments = parse_action(_plain(value))
    except RecipeError as trouble:
        raise source.fault(key, str(trouble)) from None
    return Line(target, action, arguments, where)


def _plain(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    return str(node.value)


def parse_target(text: str) -> Target:
    """`PatientName`, `(0010,0010)`, `(60xx,3000)`, `(0019,xx0a, "CREATOR")`, or a path `Seq > Keyword`."""
    *above, last = (part.strip() for part in text.split(">"))
    path = tuple(_sequence_tag(part) for part in above)
    match = _TAG.match(last)
    if match is None:
        tag = KEYWORDS.get(last)
        if tag is None:
            raise RecipeError(f"{last!r} is no keyword of PS3.6 and no tag")
        return Target(f"{tag:08X}", path=path)
    mask = (match[1] + match[2]).upper().replace("X", "x")
    creator = match[3] or ""
    if creator and mask[3] not in "13579BDFx":
        raise RecipeError(f"{last!r} names a private creator, but its group is even")
    if mask[:4] in ("0000", "0002", "FFFE"):
        raise RecipeError(f"{last!r} can never match: no data set holds this group")
    if path and ("x" in mask or creator):
        raise RecipeError(f"{text!r}: below a path stands one exact attribute")
    return Target(mask, creator, path)


def _sequence_tag(text: str) -> int:
    tag = parse_target(text).tag
    if tag is None or vr_of(tag) not in ("SQ", ""):
        raise RecipeError(f"{text!r} is no sequence")
    return tag


def parse_action(value: Any) -> tuple[str, tuple[str, ...]]:
    """An action as recipes and dicom-anonymizer's dictionaries write it."""
    arguments: tuple[str, ...] = ()
    if isinstance(value, str):
        name = value
    elif isinstance(value, dict) and "action" in value:
        name = value["action"]
        arguments = tuple(str(value[part]) for part in ("find", "replace", "value") if part in value)
    elif isinstance(value, dict) and len(value) == 1:
        name, given = next(iter(value.items()))
        arguments = tuple(given) if isinstance(given, list) else (str(given),)
    else:
        raise RecipeError("an action is a word, or one word with its arguments")
    return _checked(name, tuple(arguments))


def _checked(name: str, arguments: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    if name not in ACTION_NAMES:
        raise RecipeError(f"{name!r} is no action; there are {', '.join(sorted(ACTION_NAMES))}")
    wanted = _ARGUMENTS.get(name, 0)
    if (wanted < 0 and not arguments) or (wanted >= 0 and len(arguments) != wanted):
        raise RecipeError(f"{name} takes {'at least one' if wanted < 0 else wanted} argument(s)")
    if name == "regexp":
        try:
            re.compile(arguments[0])
        except re.error as trouble:
            raise RecipeError(f"the regular expression is wrong: {trouble.msg}") from None
    return name, arguments
