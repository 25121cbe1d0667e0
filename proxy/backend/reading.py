"""From the backend's JSON to what we believe of it, field by field.

The backend is a stranger too. A field that cannot be meant is refused with a reason, and what stood there last goes on
to hold; a field that is not there, or null, says nothing. A node that is new and has such a field is left out. What we
do not know is told by name only. Nothing here touches a database or a socket.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from proxy.backend import values
from proxy.backend.configuration import PRIVATE, PUBLIC, READ, READ_WRITE, WRITE, Configuration, ToldNode
from proxy.routing.site.values import WrongValueError

MOST_NODES: Final = 200
MOST_TOLD: Final = 50  # refused fields, unknown names

OWN: Final[Mapping[str, tuple[str, values.Check]]] = {
    "id": ("proxy_id", values.identifier),
    "workspace_id": ("workspace_id", values.identifier),
    "name": ("name", values.line),
    "description": ("description", values.lines),
    "is_active": ("is_active", values.boolean),
}
CONFIG: Final[Mapping[str, tuple[str, values.Check]]] = {
    "ip_address": ("ip_address", values.host),
    "port": ("port", values.port),
    "ae_title": ("ae_title", values.ae_title),
    "mode": ("mode", values.one_of(PUBLIC, PRIVATE)),
    "enable_phi_anonymization": ("anonymize", values.boolean),
    "api_url": ("api_url", values.address),
}
NODE: Final[Mapping[str, tuple[str, values.Check]]] = {
    "name": ("name", values.line),
    "ae_title": ("ae_title", values.ae_title),
    "ip_address": ("host", values.host),
    "ip": ("host", values.host),
    "port": ("port", values.port),
    "permission": ("permission", values.one_of(READ, WRITE, READ_WRITE)),
    "is_active": ("is_active", values.boolean),
}
ELSEWHERE: Final = {"metadata", "config", "nodes"}
OF_OTHERS: Final = {"id", "is_reachable", "metadata", "description"}
NEEDED: Final = ("ae_title", "host", "port", "permission")
SHOWN: Final = {"host": "ip_address"}  # the backend's name of a field of ours


@dataclass(frozen=True, slots=True)
class Refused:
    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What holds from now on, what of it was refused, and the names of fields that we do not know."""

    configuration: Configuration
    refused: tuple[Refused, ...] = ()
    unknown: tuple[str, ...] = ()


def read(said: object, last: Configuration | None = None) -> Reading:
    """Whatever was said: the answer is always something that may be applied."""
    return _Reading(last or Configuration()).read(said)


class _Reading:
    def __init__(self, last: Configuration) -> None:
        self.last = last
        self.refused: list[Refused] = []
        self.unknown: list[str] = []

    def read(self, said: object) -> Reading:
        root = self._mapping(said, "configuration")
        config = self._mapping(root.get("config"), "config")
        found = self._checked(root, OWN, "") | self._checked(config, CONFIG, "config.")
        self._note_unknown(root, {*OWN, *ELSEWHERE}, "")
        self._note_unknown(config, set(CONFIG), "config.")
        found["nodes"] = self._nodes(root.get("nodes"))
        refused = tuple(self.refused[:MOST_TOLD])
        return Reading(replace(self.last, **found), refused, tuple(dict.fromkeys(self.unknown))[:MOST_TOLD])

    def _refuse(self, field: str, reason: str) -> None:
        self.refused.append(Refused(field, reason))

    def _mapping(self, said: object, field: str) -> Mapping[str, object]:
        if isinstance(said, dict):
            return said
        if said is not None or field == "configuration":
            self._refuse(field, "this must be an object.")
        return {}

    def _checked(
        self, said: Mapping[str, object], table: Mapping[str, tuple[str, values.Check]], place: str
    ) -> dict[str, Any]:
        """By our names. What is wrong or not said is missing here."""
        found: dict[str, Any] = {}
        for name, (attribute, check) in table.items():
            if said.get(name) is None or attribute in found:
                continue
            try:
                found[attribute] = check(said[name])
            except WrongValueError as wrong:
                self._refuse(f"{place}{name}", str(wrong))
        return found

    def _note_unknown(self, said: Mapping[str, object], known: set[str], place: str) -> None:
        self.unknown += [f"{place}{_printable(name)}" for name in said if name not in known]

    def _nodes(self, said: object) -> tuple[ToldNode, ...]:
        if said is None:
            return self.last.nodes
        if not isinstance(said, list):
            self._refuse("nodes", "this must be a list.")
            return self.last.nodes
        if len(said) > MOST_NODES:
            self._refuse("nodes", f"at most {MOST_NODES} nodes; the rest is left out.")
        return tuple(self._apart(said[:MOST_NODES]))

    def _apart(self, said: list[object]) -> Iterator[ToldNode]:
        """Each id once, and each place once: two nodes at one place could not be told apart."""
        seen: dict[object, str] = {}
        for index, one in enumerate(said):
            node = self._node(one, f"nodes[{index}]")
            if node is None:
                continue
            twin = seen.get(node.id) or seen.get(node.place)
            if twin:
                self._refuse(f"nodes[{index}]", f"{twin} has this id, or this AE title and address, already.")
                continue
            seen[node.id] = seen[node.place] = f"nodes[{index}]"
            yield node

    def _node(self, said: object, place: str) -> ToldNode | None:
        mapping = self._mapping(said, place)
        try:
            node_id = values.identifier(mapping.get("id"))
        except WrongValueError as wrong:
            self._refuse(f"{place}.id", str(wrong))
            return None
        found = self._checked(mapping, NODE, f"{place}.")
        self._note_unknown(mapping, {*NODE, *OF_OTHERS}, "nodes.")
        return self._whole(node_id, found, place)

    def _whole(self, node_id: str, found: Mapping[str, Any], place: str) -> ToldNode | None:
        """With what we knew of it before, where nothing good was said."""
        before = next((node for node in self.last.nodes if node.id == node_id), None)
        known = {one.name: getattr(before, one.name) for one in fields(before)} if before else {}
        whole = {"id": node_id, "name": node_id} | known | dict(found)
        if before and self._is_place_refused(place):
            whole |= {"ae_title": before.ae_title, "host": before.host, "port": before.port}
        missing = [name for name in NEEDED if name not in whole]
        for name in missing:
            self._refuse(
                f"{place}.{SHOWN.get(name, name)}", "nothing good was ever said; the node is left out."
            )
        return None if missing else ToldNode(**whole)

    def _is_place_refused(self, place: str) -> bool:
        """Half of a new place and half of the old one is a place that nobody has named."""
        wrong = {f"{place}.{name}" for name in ("ae_title", "ip_address", "ip", "port")}
        return any(one.field in wrong for one in self.refused)


def _printable(name: object) -> str:
    """A stranger's word, for a log line."""
    return "".join(one if one.isascii() and one.isprintable() else "?" for one in str(name)[:40])
