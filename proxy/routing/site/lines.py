"""YAML with its line numbers kept: nodes as PyYAML composes them, and the troubles found in them.

Scalars stay the text that stands in the file: the schema, not YAML, decides that `NO` and `0012` are AE
titles and `11104` is a port. Anchors and aliases are refused: nothing in a site file needs them, and they are
how a small file becomes a huge one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import yaml

NULL = "tag:yaml.org,2002:null"
LARGEST = 1_000_000


@dataclass(frozen=True, slots=True, order=True)
class Trouble:
    """One thing that is wrong. The place is a path such as `nodes[1].port`."""

    line: int
    place: str
    what: str

    def sentence(self, file: str) -> str:
        return f"{file}:{self.line}: " + (f"{self.place}: " if self.place else "") + self.what


class SiteError(Exception):
    """All that is wrong with a site file."""

    def __init__(self, file: str, troubles: Iterable[Trouble]) -> None:
        self.troubles = sorted(troubles, key=lambda one: one.line)
        self.sentences = [one.sentence(file) for one in self.troubles]
        super().__init__("\n".join(self.sentences))


class _Loader(yaml.SafeLoader):
    """A safe loader that composes only, and knows no aliases."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(
                problem="anchors and aliases are not used here", problem_mark=event.start_mark
            )
        return super().compose_node(parent, index)


def line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def compose(text: str, file: str) -> yaml.Node | None:
    """The document as nodes; None if there is nothing in it."""
    if len(text) > LARGEST:
        raise SiteError(file, [Trouble(1, "", f"a site file has at most {LARGEST} characters.")])
    try:
        return _single(text)
    except yaml.MarkedYAMLError as error:
        trouble = Trouble(_error_line(error), "", f"not YAML as we read it: {error.problem}.")
    except yaml.YAMLError:
        trouble = Trouble(1, "", "this is not text that YAML allows.")
    except RecursionError:
        trouble = Trouble(1, "", "nested too deeply.")
    raise SiteError(file, [trouble])


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
