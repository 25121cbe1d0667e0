"""Which stored images a C-GET or C-MOVE means, and what of them its asker gets (PS3.4 C.4.2, C.4.3).

In the pseudonymous view the clean file goes out as it lies there. In the identified view the original is made of the
file and its seal while it is sent, under the node's standing grant; the marks in the audit come before the first byte.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from proxy.audit import actions
from proxy.audit.record import record
from proxy.network.giving import (
    DESTINATION_UNKNOWN,
    IMAGE,
    KEYS,
    NOT_AUTHORISED,
    PATIENT,
    SERIES,
    STUDY,
    Offer,
    Restored,
    Selection,
    Tally,
    Wish,
)
from proxy.network.reading import window
from proxy.retrieval import visible
from proxy.retrieval.opening import Seals
from proxy.retrieval.persons import bearers
from proxy.retrieval.restoring import restored
from proxy.retrieval.views import Grant, View, view_of
from proxy.routing.match import RETRIEVE, NodeFacts
from proxy.routing.models import Node
from proxy.routing.peers import peer_of
from proxy.studies.models import Instance
from proxy.vault import reidentify, uids

COLUMNS = {KEYS[STUDY]: "revision__study__uid", KEYS[SERIES]: "series__uid", KEYS[IMAGE]: "uid"}
PAGE = 500
Row = tuple[int, str, str, str, str, str]  # project, patient, uid, class, transfer syntax, path


@dataclass(frozen=True, slots=True)
class Images:
    today: Callable[[], date] = field(default=lambda: timezone.now().date())

    def admits(self, node: NodeFacts) -> bool:
        if why := self._objection(node):
            _refused(node, NOT_AUTHORISED, why)
        return not why

    def _objection(self, node: NodeFacts) -> str:
        if RETRIEVE not in node.may:
            return "the site does not say that it may retrieve"
        if view_of(node, self.today()) is None:
            return "it lacks what the identified view takes: proof, projects, or a grant that has not run out"
        return ""

    def selected(self, node: NodeFacts, called: Sequence[NodeFacts], wish: Wish) -> Selection | int:
        if why := self._objection(node):
            return _refused(node, NOT_AUTHORISED, why)
        if wish.to is not None and not called:
            return _refused(node, DESTINATION_UNKNOWN, "no node has the AE title to move to")
        view = self._view(node, called[0] if wish.to is not None else node)
        if view is None:
            return _refused(node, NOT_AUTHORISED, "the node to move to may not see this view")
        peer = peer_of(Node.objects.get(pk=called[0].id)) if wish.to is not None else None
        rows = chosen(view, wish)
        pairs = tuple(rows.order_by().values_list("sop_class", "transfer_syntax").distinct())
        return Selection(rows.count(), offers(view, rows), pairs, peer, _told(view, wish, called))

    def _view(self, node: NodeFacts, receiver: NodeFacts) -> View | None:
        """The lesser of asker's and receiver's."""
        mine, theirs = view_of(node, self.today()), view_of(receiver, self.today())
        return mine.lesser(theirs) if mine is not None and theirs is not None else None


def _refused(node: NodeFacts, status: int, why: str) -> int:
    record(actions.IMAGES_REFUSED, actor=f"node {node.name}", detail={"why": why})
    return status


def _told(view: View, wish: Wish, called: Sequence[NodeFacts]) -> Callable[[Tally], None]:
    def tell(tally: Tally) -> None:
        detail: dict[str, Any] = {
            "level": wish.level,
            "given": tally.completed + tally.warned,
            "failed": tally.failed,
        }
        if wish.to is not None:
            detail["to"] = called[0].name
        purpose = view.grant.purpose if view.grant else ""
        record(actions.IMAGES_GIVEN, actor=f"node {view.node}", purpose=purpose, detail=detail)

    return tell


# --- which ----------------------------------------------------------------------------------------


def chosen(view: View, wish: Wish) -> "QuerySet[Instance]":
    rows = visible.instances(view)
    for keyword, values in wish.keys.items():
        rows = rows.filter(_means(view, keyword, values, wish.issuer))
    return rows


def _means(view: View, keyword: str, values: Sequence[str], issuer: str) -> Q:
    if keyword == KEYS[PATIENT]:
        return Q(
            revision__study__patient__in=bearers(view, values[0], issuer) if view.is_identified else values
        )
    column = COLUMNS[keyword]
    if not view.is_identified:
        return Q(**{f"{column}__in": values})
    named = [
        Q(project_id=one, **{f"{column}__in": list(uids.names_of(one, values))}) for one in view.projects
    ]
    return Q(*named, _connector=Q.OR)


# --- what -----------------------------------------------------------------------------------------


def offers(view: View, rows: "QuerySet[Instance]") -> Iterator[Offer]:
    """By study, series and number, as a reader would go through them."""
    ordered = rows.order_by("revision__study_id", "series_id", "ordinal", "pk")
    columns: Any = ordered.values_list(
        "project_id", "revision__study__patient", "uid", "sop_class", "transfer_syntax", "path"
    )
    page: list[Row] = []
    into = window() if view.is_identified else memoryview(b"")
    for row in columns.iterator(PAGE):
        page.append(row)
        if len(page) == PAGE:
            yield from _offered(view.grant, page, into)
            page = []
    yield from _offered(view.grant, page, into)


def _offered(grant: Grant | None, page: Sequence[Row], into: memoryview) -> Iterator[Offer]:
    root = Path(settings.DICOM_STORAGE_DIR) / "studies"
    seals = _seals(grant, page) if grant is not None and page else {}
    for project, _, uid, sop_class, syntax, path in page:
        restore = _restore(seals[project], uid, syntax, root / path, into) if grant is not None else None
        yield Offer(sop_class, uid, syntax, root / path, restore)


def _seals(grant: Grant, page: Sequence[Row]) -> dict[int, Seals]:
    """By project."""
    whose: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    order: dict[int, list[str]] = defaultdict(list)
    for project, patient, uid, *_ in page:
        whose[project][patient].append(uid)
        order[project].append(uid)
    return {
        project: _of_project(grant, project, order[project], persons) for project, persons in whose.items()
    }


def _of_project(
    grant: Grant, project: int, images: Sequence[str], persons: Mapping[str, Sequence[str]]
) -> Seals:
    reading = reidentify.restoring(grant.principal, persons, project, grant.purpose)

    def plain(some: Sequence[str]) -> Callable[[str], bytes]:
        opened = reading(some)
        return lambda uid: opened(uid).plain

    return Seals(images, plain)


def _restore(seals: Seals, uid: str, syntax: str, path: Path, into: memoryview) -> Callable[[], Restored]:
    return lambda: restored(path, syntax, lambda: seals.take(uid), into)
