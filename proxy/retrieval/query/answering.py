"""What a node hears when it asks what we have (C-FIND): its view, its query, and the answers while they are found."""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from django.conf import settings
from django.utils import timezone

from proxy.audit import actions
from proxy.audit.record import record
from proxy.network.finding import NOT_AUTHORISED, OUT_OF_RESOURCES, Match, Query, Refused
from proxy.network.identifier import Element
from proxy.retrieval.query import rows
from proxy.retrieval.query.attributes import (
    AVAILABILITY,
    LEVEL,
    ONLINE,
    RETRIEVE_AE,
    SAID,
    TIMEZONE,
    Attribute,
)
from proxy.retrieval.query.identified import Identified
from proxy.retrieval.query.reading import Checked, check
from proxy.retrieval.query.rows import Row
from proxy.retrieval.query.search import Pseudonymous, Search, Sight
from proxy.retrieval.query.within import Within
from proxy.retrieval.views import View, view_of
from proxy.routing.match import FIND, NodeFacts
from proxy.vault.reidentify import NotAllowed, looking_among

Answers = Generator[Match | Refused | None, None, None]
NO_VIEW = Refused(NOT_AUTHORISED, "This node has no view of what is asked for")
TOO_MANY = Refused(NOT_AUTHORISED, "Too many persons within an hour")


@dataclass(frozen=True, slots=True)
class Queries:
    """The door's side of C-FIND."""

    today: Callable[[], date] = field(default=lambda: timezone.now().date())

    def admits(self, node: NodeFacts) -> bool:
        """Whether C-FIND is offered to this caller at all; a refusal leaves its mark."""
        why = self._objection(node)
        if why:
            record(actions.QUERY_REFUSED, actor=f"node {node.name}", detail={"why": why})
        return not why

    def _objection(self, node: NodeFacts) -> str:
        if FIND not in node.may:
            return "the site does not say that it may query"
        if view_of(node, self.today()) is None:
            return "it lacks what the identified view takes: proof, projects, or a grant that has not run out"
        return ""

    def answers(self, node: NodeFacts | None, called_ae: str, query: Query) -> Answers:
        """`called_ae` is where what is found can be retrieved from."""
        checked = check(query)
        if node is None or not self.admits(node) or (view := view_of(node, self.today())) is None:
            yield NO_VIEW
        elif isinstance(checked, Refused):
            yield checked
        else:
            yield from self._found(view, checked, called_ae)

    def _found(self, view: View, checked: Checked, called_ae: str) -> Answers:
        try:
            yield from _found(view, checked, called_ae)
        except NotAllowed:
            yield TOO_MANY


def _found(view: View, checked: Checked, called_ae: str) -> Answers:
    sight = sight_of(view, checked)
    try:
        yield from _answers(Search(checked, rows.projects_of(view), sight), called_ae)
    finally:
        sight.over()


def _answers(search: Search, called_ae: str) -> Answers:
    most, count, checked = settings.DICOM_FIND_MAX, 0, search.checked
    always = _always(checked, called_ae)
    for page in search.pages(most + 1):
        for row in page:
            if count == most:
                yield Refused(OUT_OF_RESOURCES, f"More than {most} match: ask for less")
                return
            count += 1
            yield Match((*always, *elements(checked, row)), checked.less)
        yield None


def sight_of(view: View, checked: Checked) -> Sight:
    """Raises NotAllowed. Whoever has one says when it is over."""
    if view.grant is None:
        return Pseudonymous()
    asked = {"level": checked.level, "keys": sorted(checked.matchers)}
    grant = view.grant
    return Identified(view, looking_among(grant.principal, view.projects, grant.purpose, asked))


def _always(checked: Checked, called_ae: str) -> list[Element]:
    """What every answer of this query says."""
    said = {LEVEL: ("CS", checked.level), RETRIEVE_AE: (SAID[RETRIEVE_AE], called_ae)}
    for tag in checked.said - {RETRIEVE_AE}:
        said[tag] = SAID[tag], ONLINE if tag == AVAILABILITY else ""
    return [Element(tag, vr, value) for tag, (vr, value) in said.items()]


def elements(checked: Checked, row: Row) -> Iterator[Element]:
    """What of a row was asked for."""
    values = ((one, row.values[one.keyword]) for one in checked.wanted)
    return (_element(one, value, checked.within) for one, value in values if _is_said(one, value))


def _is_said(attribute: Attribute, value: str) -> bool:
    """A time zone that is not known is not sent empty (PS3.4 C.4.1.1.3.2)."""
    return bool(value) or attribute.tag != TIMEZONE


def _element(attribute: Attribute, value: str, within: Mapping[str, Within]) -> Element:
    if attribute.parts:
        return Element(attribute.tag, attribute.vr, "", within[attribute.keyword].answered(value))
    return Element(attribute.tag, attribute.vr, value)
