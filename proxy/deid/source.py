"""A recipe's file as YAML nodes that remember their lines. Nothing is ever constructed from it.

What YAML would do in silence is refused: a key that stands twice, tags (`!!python/...`), anchors and aliases (also
bombs of them), a second document. Size and depth are bounded before anything is composed.
"""

import difflib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from proxy.deid.errors import RecipeError

LARGEST: Final = 256 << 10
DEEPEST: Final = 8
_OPENS: Final = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_CLOSES: Final = (yaml.SequenceEndEvent, yaml.MappingEndEvent)


class Source:
    """The mapping of one file. Every method raises RecipeError with file and line."""

    def __init__(self, path: Path, keys: Collection[str]) -> None:
        self.path = path
        self._keys = keys
        node = self._composed(self._text())
        if node is None:
            raise self._at(1, "the recipe is empty")
        if not isinstance(node, yaml.MappingNode):
            raise RecipeError(f"{path.name}:1: a recipe is a mapping of keys to values")
        self.nodes: dict[str, yaml.Node] = {}
        for key, value in node.value:
            self._add(key, value)

    def _text(self) -> str:
        try:
            with self.path.open("rb") as file:
                data = file.read(LARGEST + 1)
            if len(data) > LARGEST:
                raise RecipeError(f"{self.path.name}: larger than {LARGEST >> 10} KiB")
            return data.decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as trouble:
            raise RecipeError(f"{self.path.name}: cannot be read ({type(trouble).__name__})") from None

    def _composed(self, text: str) -> yaml.Node | None:
        try:
            self._refuse_surprises(text)
            return yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as trouble:
            line = trouble.problem_mark.line + 1 if trouble.problem_mark else 1
            raise self._at(line, f"not YAML: {trouble.problem}") from None
        except yaml.YAMLError:
            raise RecipeError(f"{self.path.name}: not YAML: a character that may not stand in it") from None

    def _refuse_surprises(self, text: str) -> None:
        """On events, which need no recursion."""
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, _OPENS) - isinstance(event, _CLOSES)
            if trouble := _surprise(event, depth):
                mark = event.start_mark
                raise self._at(mark.line + 1 if mark else 1, trouble)

    def _add(self, key: yaml.Node, value: yaml.Node) -> None:
        name = self.word(key)
        if name not in self._keys:
            raise self.fault(key, f"unknown key {name!r}{meant(name, self._keys)}")
        if name in self.nodes:
            raise self.fault(key, f"{name} stands here twice")
        self.nodes[name] = value

    def _at(self, line: int, message: str) -> RecipeError:
        return RecipeError(f"{self.path.name}:{line}: {message}")

    def fault(self, node: yaml.Node, message: str) -> RecipeError:
        return self._at(node.start_mark.line + 1, message)

    def error(self, key: str, message: str) -> RecipeError:
        """At the line of this key, or of the file's beginning where it does not stand."""
        node = self.nodes.get(key)
        return self.fault(node, message) if node else self._at(1, message)

    def word(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self.fault(node, "one word belongs here, no list and no mapping")
        return str(node.value)

    def text(self, key: str, default: str, choices: tuple[str, ...] = ()) -> str:
        node = self.nodes.get(key)
        if node is None:
            return default
        if not isinstance(node, yaml.ScalarNode):
            raise self.fault(node, f"{key} is one word")
        if choices and node.value not in choices:
            raise self.fault(node, f"{key} is one of {', '.join(choices)}")
        if not node.value:
            raise self.fault(node, f"{key} says nothing")
        return str(node.value)

    def flag(self, key: str, default: bool) -> bool:
        return self.text(key, str(default).lower(), ("true", "false")) == "true"

    def words(self, key: str, choices: tuple[str, ...]) -> frozenset[str]:
        node = self.nodes.get(key)
        if node is None:
            return frozenset()
        if not isinstance(node, yaml.SequenceNode):
            raise self.fault(node, f"{key} is a list")
        found: set[str] = set()
        for item in node.value:
            word = self.word(item)
            if word not in choices:
                raise self.fault(item, f"{word!r} is no {key[:-1]}; there are {', '.join(choices)}")
            if word in found:
                raise self.fault(item, f"{word} stands here twice")
            found.add(word)
        return frozenset(found)

    def pairs(self, key: str) -> list[tuple[yaml.Node, yaml.Node]]:
        node = self.nodes.get(key)
        if node is None:
            return []
        if not isinstance(node, yaml.MappingNode):
            raise self.fault(node, f"{key} is a mapping")
        return list(node.value)

    def plain(self, node: yaml.Node) -> Any:
        """Words, lists and mappings of words."""
        if isinstance(node, yaml.MappingNode):
            return dict(self._unique(node))
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item) for item in node.value]
        return str(node.value)

    def _unique(self, node: yaml.MappingNode) -> Iterator[tuple[str, Any]]:
        seen: set[str] = set()
        for key, value in node.value:
            name = self.word(key)
            if name in seen:
                raise self.fault(key, f"{name} stands here twice")
            seen.add(name)
            yield name, self.plain(value)


def _surprise(event: yaml.Event, depth: int) -> str:
    if depth > DEEPEST:
        return f"deeper than {DEEPEST} levels"
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        return "anchors and aliases are not used here; write it out"
    tag = getattr(event, "tag", None)
    return "tags are not used here; write the plain value" if tag else ""


def meant(word: str, known: Collection[str]) -> str:
    """`; did you mean ...?`, where something known is near."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.8)
    return f"; did you mean {near[0]}?" if near else ""
