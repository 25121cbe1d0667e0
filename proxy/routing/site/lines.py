"""YAML with its line numbers kept: nodes as PyYAML composes them, and the troubles found in them.

Scalars stay the text that stands in the file: the schema, not YAML, decides that `NO` and `0012` are AE
titles and `11104` is a port. Anchors and aliases are refused: nothing in a site file needs them, and they are
how a small file becomes a huge one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

NULL = "tag:yaml.org,2002:null"
LARGEST = 1_000_000


class SiteError(Exception):
    """All that is wrong with a site file: one sentence each, with file and line."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


class _Loader(yaml.SafeLoader):
    """A safe loader that composes only, and knows no aliases."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(
                problem="anchors and aliases are not used here", problem_mark=event.start_mark
            )
        return super().compose_node(parent, index)


@dataclass
class Troubles:
    """Gathers what is wrong; a place is a path such as `nodes[1].port`."""

    file: str
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, node: yaml.Node, place: str, sentence: str) -> None:
        self.add_at(line(node), place, sentence)

    def add_at(self, number: int, place: str, sentence: str) -> None:
        where = f"{place}: " if place else ""
        self.found.append((number, f"{self.file}:{number}: {where}{sentence}"))

    def raise_if_any(self) -> None:
        if self.found:
            raise SiteError([sentence for _, sentence in sorted(self.found, key=lambda one: one[0])])


def line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def compose(text: str, file: str) -> yaml.Node | None:
    """The document as nodes; None if there is nothing in it."""
    if len(text) > LARGEST:
        raise SiteError([f"{file}:1: a site file has at most {LARGEST} characters."])
    try:
        return _single(text)
    except yaml.MarkedYAMLError as error:
        raise SiteError([f"{file}:{_error_line(error)}: not YAML as we read it: {error.problem}."]) from None
    except yaml.YAMLError:
        raise SiteError([f"{file}:1: this is not text that YAML allows."]) from None
    except RecursionError:
        raise SiteError([f"{file}:1: nested too deeply."]) from None


def _single(text: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        node: yaml.Node | None = loader.get_single_node()
        return node
    finally:
        loader.dispose()


def _error_line(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return int(mark.line) + 1 if mark else 1


def is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == NULL


def pairs(node: yaml.MappingNode) -> Iterator[tuple[yaml.ScalarNode, str, yaml.Node]]:
    """Key node, key, value node. A key that is no text gives its description, which no schema knows."""
    for key, value in node.value:
        yield key, key.value if isinstance(key, yaml.ScalarNode) else "(a list or mapping)", value
