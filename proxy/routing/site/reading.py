"""Read a site file by its schema. All that is wrong is gathered before anything is believed."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from proxy.routing.models import BACKEND_PREFIX
from proxy.routing.site import values
from proxy.routing.site.lines import SiteError, Trouble, compose, is_null, line, pairs
from proxy.routing.site.recipes import is_file_name, recipe_trouble
from proxy.routing.site.schema import (
    FIELDS,
    SECTIONS,
    Complaint,
    Field,
    Inner,
    One,
    destination_complaints,
    node_complaints,
    rights,
    route_complaints,
)
from proxy.routing.site.specs import ProjectSpec, Site
from proxy.routing.site.values import WrongValueError, did_you_mean

RecipeTrouble = Callable[[str], str | None]


def read(
    text: str,
    file: str = "site.yaml",
    recipe_trouble: RecipeTrouble = recipe_trouble,
    folder: Path | None = None,
    *,
    reserved: str = BACKEND_PREFIX,
) -> Site:
    """The site that a file describes, or `SiteError` with all that is wrong.

    `recipe_trouble` says why a recipe cannot be loaded, or None. A recipe's file is meant from `folder`; what
    is kept is its full path, because `listen` may run from anywhere. No name begins with `reserved`.
    """
    return _Reading(file, recipe_trouble, folder, reserved).site(text)


@dataclass(frozen=True, slots=True)
class _Placed:
    """An object of the file and where it stands, for what is found when all are compared."""

    spec: Any
    node: yaml.MappingNode
    place: str

    def at(self, field: str) -> yaml.Node:
        found = [value for _, name, value in pairs(self.node) if name == field]
        return found[0] if found else self.node


class _Reading:
    def __init__(self, file: str, recipe_trouble: RecipeTrouble, folder: Path | None, reserved: str) -> None:
        self.folder = folder
        self.reserved = reserved
        self.file = file
        self.troubles: list[Trouble] = []
        self.recipe_trouble = recipe_trouble
        self.placed: dict[str, list[_Placed]] = {section: [] for section in SECTIONS}
        self.names: dict[str, list[str]] = {section: [] for section in SECTIONS}

    def site(self, text: str) -> Site:
        root = compose(text, self.file)
        if root is not None and not is_null(root):
            self._sections(root)
        self._compare()
        if self.troubles:
            raise SiteError(self.file, self.troubles)
        return Site(**{name: tuple(one.spec for one in found) for name, found in self.placed.items()})

    def _add(self, node: yaml.Node, place: str, what: str) -> None:
        self.troubles.append(Trouble(line(node), place, what))

    def _sections(self, root: yaml.Node) -> None:
        found = self._mapping(root, "", tuple(SECTIONS))
        for section, node in found.items():
            for index, item in enumerate(self._items(node, section)):
                self._object(section, item, f"{section}[{index}]")

    def _object(self, section: str, node: yaml.Node, place: str) -> None:
        spec = self._from_folder(self._spec(SECTIONS[section], node, place))
        if isinstance(node, yaml.MappingNode):
            self.names[section] += [value.value for _, key, value in pairs(node) if key == "name"]
            self.placed[section] += [_Placed(spec, node, place)] if spec is not None else []

    def _from_folder(self, spec: Any) -> Any:
        if isinstance(spec, ProjectSpec) and self.folder is not None and is_file_name(spec.recipe):
            return replace(spec, recipe=str((self.folder / spec.recipe).resolve()))
        return spec

    def _spec(self, kind: type[Any], node: yaml.Node, place: str) -> Any | None:
        before = len(self.troubles)
        given = self._mapping(node, place, tuple(FIELDS[kind]))
        said = {name: self._field(FIELDS[kind][name], given[name], f"{place}.{name}") for name in given}
        for name in self._forgotten(kind, node, given):
            self._add(node, place, f"{name} is missing.")
        return kind(**said) if len(self.troubles) == before else None

    def _forgotten(self, kind: type[Any], node: yaml.Node, given: Mapping[str, yaml.Node]) -> list[str]:
        if not isinstance(node, yaml.MappingNode):
            return []
        wanted = [name for name, one in FIELDS[kind].items() if isinstance(one, One) and one.required]
        return [name for name in wanted if name not in given]

    def _mapping(self, node: yaml.Node, place: str, known: tuple[str, ...]) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            self._add(node, place, f"this must be a mapping with the keys {', '.join(known)}.")
            return {}
        found: dict[str, yaml.Node] = {}
        for key, name, value in pairs(node):
            if name not in known:
                self._add(key, place, f"unknown key {name!r}{did_you_mean(name, known)}")
            elif name in found:
                self._add(key, place, f"{name} stands here twice.")
            elif not is_null(value):
                found[name] = value
        return found

    def _items(self, node: yaml.Node, place: str) -> list[yaml.Node]:
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        self._add(node, place, "this must be a list.")
        return []

    def _field(self, field: Field, node: yaml.Node, place: str) -> Any:
        if isinstance(field, Inner):
            return self._spec(field.kind, node, place)
        if isinstance(field, One):
            return self._value(field.check, node, place)
        items = self._items(node, place)
        found = [self._value(field.check, item, f"{place}[{index}]") for index, item in enumerate(items)]
        return tuple(sorted({one for one in found if one is not None}))

    def _value(self, check: values.Check, node: yaml.Node, place: str) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            self._add(node, place, "this must be a single value.")
            return None
        try:
            return check(node.value)
        except WrongValueError as wrong:
            self._add(node, place, str(wrong))
            return None

    def _compare(self) -> None:
        """What concerns more than one field or more than one object."""
        self._unreserved("nodes")
        self._unreserved("destinations")
        self._singular("projects", "name", lambda spec: spec.name)
        self._singular("nodes", "name", lambda spec: spec.name)
        self._singular("destinations", "name", lambda spec: spec.name)
        self._singular("destinations", "path", lambda spec: spec.path or None)
        self._singular("routes", "called_ae", lambda spec: (spec.called_ae, spec.calling_ae))
        self._known("nodes", "projects", "projects", lambda spec: spec.projects)
        self._known("destinations", "node", "nodes", lambda spec: [spec.node] if spec.node else [])
        self._known("routes", "project", "projects", lambda spec: [spec.project])
        self._known("routes", "destinations", "destinations", lambda spec: spec.destinations)
        self._known(
            "routes", "ask_counts", "nodes", lambda spec: [spec.ask_counts] if spec.ask_counts else []
        )
        self._complain("nodes", node_complaints)
        self._complain("destinations", destination_complaints)
        self._complain("routes", route_complaints)
        self._complain("projects", self._recipe_complaints)
        self._tell_apart()

    def _unreserved(self, section: str) -> None:
        for one in self.placed[section]:
            if self.reserved and one.spec.name.startswith(self.reserved):
                sentence = f"names that begin with {self.reserved} are the backend's."
                self._add(one.at("name"), f"{one.place}.name", sentence)

    def _singular(self, section: str, field: str, key: Callable[[Any], Any]) -> None:
        seen: dict[Any, str] = {}
        for one in self.placed[section]:
            mark = key(one.spec)
            if mark is not None and mark in seen:
                self._add(one.at(field), f"{one.place}.{field}", f"{seen[mark]} has this already.")
            elif mark is not None:
                seen[mark] = one.spec.name

    def _known(self, section: str, field: str, other: str, names: Callable[[Any], Iterable[str]]) -> None:
        known = self.names[other]  # also of those that have troubles of their own: one mistake, one sentence
        for one in self.placed[section]:
            for name in [name for name in names(one.spec) if name not in known]:
                sentence = f"{other} has no {name!r}{did_you_mean(name, known)}"
                self._add(one.at(field), f"{one.place}.{field}", sentence)

    def _complain(self, section: str, complaints: Callable[[Any], Iterator[Complaint]]) -> None:
        for one in self.placed[section]:
            for field, sentence in complaints(one.spec):
                self._add(one.at(field), f"{one.place}.{field}", sentence)

    def _recipe_complaints(self, spec: ProjectSpec) -> Iterator[Complaint]:
        if is_file_name(spec.recipe) and not Path(spec.recipe).is_absolute():
            yield "recipe", "a recipe of your own needs its full path here."
        elif trouble := self.recipe_trouble(spec.recipe):
            yield "recipe", trouble

    def _tell_apart(self) -> None:
        """Nodes that no association can tell apart must be allowed the same."""
        seen: dict[Any, _Placed] = {}
        for one in self.placed["nodes"]:
            spec = one.spec
            twin = seen.setdefault((spec.ae_title, spec.host, spec.networks, spec.certificate), one)
            if rights(twin.spec) != rights(spec):
                sentence = (
                    f"nothing tells this node from {twin.spec.name}; give one networks or a certificate."
                )
                self._add(one.at("ae_title"), f"{one.place}.ae_title", sentence)
