"""Recipes: what an operator wants to happen, from YAML, checked completely before anything is done with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml

from proxy.deid.dictionary import KEYWORDS, keyword_of, vr_of
from proxy.deid.errors import RecipeError
from proxy.deid.fitting import refuse_misfit
from proxy.deid.masks import Entry, load_entries
from proxy.deid.rules import show
from proxy.deid.source import Source, meant
from proxy.deid.tables import EDITIONS, OPTIONS

SHIPPED: Final = Path(__file__).resolve().parent / "recipes"
ALL_OPTIONS: Final = (*OPTIONS, "clean-pixel")
GATES: Final[Mapping[str, tuple[str, ...]]] = {
    "burned-in": ("quarantine", "mask", "refuse", "accept"),
    "documents": ("quarantine", "remove"),
    "structured-reports": ("quarantine", "remove", "clean"),
}
_SUFFIXES: Final = (".yaml", ".yml")
_GENERATIONS: Final = 16
_NOTHING: Final = "none"  # the edition of a recipe that starts from nothing and keeps what no rule names
_WITHOUT_EDITION: Final = ("options", "unknown", "private", "dates")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,39}")  # stands in (0012,0063) of every clean image
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
        "masks",
        "ocr",
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
_NAMED: Final[Mapping[str, tuple[str, ...]]] = {
    "replace_with_value": ("value",),
    "regexp": ("find", "replace"),
}
ACTION_NAMES: Final = _NO_ARGUMENT | _ARGUMENTS.keys()
_REPEATING: Final = re.compile(r"[56]0xx[0-9A-F]{4}")
_ODD: Final = "13579BDF"
_NO_GROUPS: Final = ("0000", "0001", "0002", "0003", "0005", "0007", "FFFE", "FFFF")
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

    @property
    def vr(self) -> str:
        """The dictionary's, '' where it knows none or the mask means many."""
        if self.creator or ("x" in self.mask and not _REPEATING.fullmatch(self.mask)):
            return ""
        return vr_of(int(self.mask.replace("x", "0"), 16))

    def __str__(self) -> str:
        shown = f"({self.mask[:4]},{self.mask[4:]}" + (f', "{self.creator}")' if self.creator else ")")
        above = "".join(f"{keyword_of(tag) or show(tag)} > " for tag in self.path)
        return above + ((keyword_of(self.tag) or shown) if self.tag is not None else shown)

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
    masks: tuple[Entry, ...] = ()  # a site's own, asked before the shipped ones
    ocr: bool = False  # look for letters in masked pixels
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
    if not name_or_path.endswith(_SUFFIXES):
        path = SHIPPED / f"{name_or_path}.yaml"
    if not path.is_file():
        raise RecipeError(f"there is no recipe {name_or_path!r}")
    return path


def _load(path: Path, seen: tuple[Path, ...]) -> Recipe:
    source = Source(path, _KEYS)
    parent_name = source.text("extends", "")
    parent = (
        _load(_parent(parent_name, source, (*seen, path.resolve())), (*seen, path.resolve()))
        if parent_name
        else None
    )
    return _build(source, parent)


def _parent(name: str, source: Source, seen: tuple[Path, ...]) -> Path:
    path = _find_near(name, source)
    if path.resolve() in seen:
        raise source.error("extends", "extends itself, directly or by others")
    if len(seen) >= _GENERATIONS:
        raise source.error("extends", f"more than {_GENERATIONS} recipes extend each other")
    return path


def _find_near(name: str, source: Source) -> Path:
    """Beside the recipe that names it, else a shipped one."""
    path = source.path
    beside = path.parent / (name if name.endswith(_SUFFIXES) else f"{name}.yaml")
    if beside.is_file() and beside.resolve() != path.resolve():
        return beside
    try:
        return _find(name)
    except RecipeError as trouble:
        raise source.error("extends", str(trouble)) from None


def _build(source: Source, parent: Recipe | None) -> Recipe:
    base = parent or Recipe(name="")
    options = base.options | source.words("options", ALL_OPTIONS)
    if {"full-dates", "modified-dates"} <= options:
        raise source.error(
            "options" if "options" in source.nodes else "extends",
            "full-dates and modified-dates cannot both be wanted",
        )
    lines = tuple(_line(source, key, value) for key, value in source.pairs("rules"))
    recipe = Recipe(
        name=_name(source),
        edition=_edition(source, base),
        options=options,
        lines=_override(base.lines, lines),
        unknown=source.text("unknown", base.unknown, ("remove", "keep")),
        private=source.text("private", base.private, ("remove", "keep")),
        marks=source.flag("marks", base.marks),
        hunting=source.flag("hunting", base.hunting),
        gates=MappingProxyType(_gates(source, base, options)),
        dates=source.text("dates", base.dates, ("profile", "year")),
        masks=(*_masks(source), *base.masks),
        ocr=source.flag("ocr", base.ocr),
    )
    _check(source, recipe, lines)
    return recipe


def _name(source: Source) -> str:
    name = source.text("name", source.path.stem)
    if not _NAME.fullmatch(name):
        raise source.error(
            "name", "a recipe's name is 1 to 40 letters, digits, spaces or ._+- (it stands in images)"
        )
    return name


def _edition(source: Source, base: Recipe) -> str:
    """What is not said is the newest: a recipe that starts from nothing says so."""
    edition = source.text("edition", base.edition or _NOTHING, (*EDITIONS, _NOTHING))
    return "" if edition == _NOTHING else edition


def _check(source: Source, recipe: Recipe, lines: tuple[Line, ...]) -> None:
    from proxy.deid import checks  # noqa: PLC0415 - it asks the plan, which is made of recipes

    for key in _WITHOUT_EDITION if not recipe.edition else ():
        if key in source.nodes:
            raise source.error(key, f"edition: none keeps what no rule names; {key} would change nothing")
    if recipe.dates == "year" and recipe.options & {"full-dates", "modified-dates"}:
        key = "dates" if "dates" in source.nodes else "options"
        raise source.error(key, "dates: year excludes the options full-dates and modified-dates")
    for key in ("masks", "ocr") if recipe.gate("burned-in") != "mask" else ():
        if key in source.nodes:
            raise source.error(key, f"{key} is used only with burned-in: mask")
    checks.refuse_contradictions(lines)
    checks.refuse_the_impossible(recipe, lines)


def _masks(source: Source) -> tuple[Entry, ...]:
    """Of a library of one's own, beside the recipe or at a whole path."""
    name = source.text("masks", "")
    path = source.path.parent / name
    if name and not path.is_file():
        raise source.error("masks", f"there is no library of masks {name!r}")
    return load_entries(path) if name else ()


def _gates(source: Source, base: Recipe, options: frozenset[str]) -> dict[str, str]:
    """The option clean-pixel asks for masks where nothing else is said."""
    gates = {gate: source.text(gate, base.gate(gate), choices) for gate, choices in GATES.items()}
    if "clean-pixel" in options and gates["burned-in"] == "quarantine" and "burned-in" not in source.nodes:
        gates["burned-in"] = "mask"
    if "clean-pixel" in options and gates["burned-in"] == "accept":
        key = "burned-in" if "burned-in" in source.nodes else "options"
        raise source.error(key, "the option clean-pixel and burned-in: accept exclude each other")
    return gates


def _override(parents: tuple[Line, ...], children: tuple[Line, ...]) -> tuple[Line, ...]:
    """The first match wins: a child's rules before its parent's, of one file the narrower pattern first."""
    mine = {line.target for line in children}
    narrow = sorted(children, key=lambda line: line.target.mask.count("x"))
    return (*narrow, *(line for line in parents if line.target not in mine))


def _line(source: Source, key: yaml.Node, value: yaml.Node) -> Line:
    where = f"{source.path.name}:{key.start_mark.line + 1}"
    said, wanted = source.word(key), source.plain(value)
    try:
        target = parse_target(said)
        action, arguments = parse_action(wanted)
        refuse_misfit(target.vr, action, arguments)
    except RecipeError as trouble:
        raise source.fault(key, str(trouble)) from None
    return Line(target, action, arguments, where)


def parse_target(text: str) -> Target:
    """`PatientName`, `(0010,0010)`, `(60xx,3000)`, `(0019,xx0a, "CREATOR")`, or a path `Seq > Keyword`."""
    *above, last = (part.strip() for part in text.split(">"))
    path = tuple(_sequence_tag(part) for part in above)
    match = _TAG.match(last)
    if match is None:
        tag = KEYWORDS.get(last)
        if tag is None:
            raise RecipeError(f"{last!r} is no keyword of PS3.6 and no tag{meant(last, KEYWORDS)}")
        return Target(f"{tag:08X}", path=path)
    mask = (match[1] + match[2]).upper().replace("X", "x")
    creator = (match[3] or "").strip()
    if match[3] is not None:
        _refuse_creator(last, mask, creator)
    if mask[:4] in _NO_GROUPS:
        raise RecipeError(f"{last!r} can never match: no data set holds this group")
    if mask[3] in _ODD and not creator and "x" not in mask:
        _refuse_private(last, int(mask[4:], 16))
    if path and ("x" in mask or creator):
        raise RecipeError(f"{text!r}: below a path stands one exact attribute")
    return Target(mask, creator, path)


def _refuse_creator(text: str, mask: str, creator: str) -> None:
    """PS3.5 7.8.1: a creator has odd groups and, in each object, blocks of its own."""
    if mask[3] not in f"{_ODD}x":
        raise RecipeError(f"{text!r} names a private creator, but its group is even")
    if not creator or len(creator) > 64 or not creator.isprintable():
        raise RecipeError(f"{text!r}: a private creator has 1 to 64 characters")
    if mask[4:6] != "xx":
        raise RecipeError(f"{text!r} can never match: write the block as xx, because each object has its own")


def _refuse_private(text: str, element: int) -> None:
    """PS3.5 7.8.1: what stands in an odd group and is neither a creator nor in a creator's block."""
    if element < 0x1000:
        raise RecipeError(f"{text!r} can never match: private attributes lie in blocks, from (gggg,1000) on")


def _sequence_tag(text: str) -> int:
    tag = parse_target(text).tag
    if tag is None or vr_of(tag) not in ("SQ", ""):
        raise RecipeError(f"{text!r} is no sequence")
    return tag


def parse_action(value: Any) -> tuple[str, tuple[str, ...]]:
    """An action as recipes and dicom-anonymizer's dictionaries write it."""
    if isinstance(value, str):
        return _checked(value, ())
    if isinstance(value, dict) and "action" in value:
        return _checked(str(value["action"]), _named_arguments(value))
    if isinstance(value, dict) and len(value) == 1:
        name, given = next(iter(value.items()))
        arguments = given if isinstance(given, list) else [given]
        if not all(isinstance(argument, str) for argument in arguments):
            raise RecipeError("the arguments of an action are words")
        return _checked(name, tuple(arguments))
    raise RecipeError("an action is a word, or one word with its arguments")


def _named_arguments(value: dict[str, Any]) -> tuple[str, ...]:
    """`{action: regexp, find: ..., replace: ...}`: each argument under its name, and no other."""
    names = _NAMED.get(str(value["action"]), ())
    for name, argument in value.items():
        if name != "action" and name not in names:
            raise RecipeError(f"{value['action']} takes no {name!r}")
        if not isinstance(argument, str):
            raise RecipeError("the arguments of an action are words")
    return tuple(value[name] for name in names if name in value)


def _checked(name: str, arguments: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    if name not in ACTION_NAMES:
        near = meant(name, ACTION_NAMES)
        raise RecipeError(f"{name!r} is no action{near}; there are {', '.join(sorted(ACTION_NAMES))}")
    wanted = _ARGUMENTS.get(name, 0)
    if (wanted < 0 and not arguments) or (wanted >= 0 and len(arguments) != wanted):
        raise RecipeError(f"{name} takes {'at least one' if wanted < 0 else wanted} argument(s)")
    return name, arguments
