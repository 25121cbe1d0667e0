"""Where a result may go: only to DICOM nodes that may see who somebody is, as long as their grant holds."""

from collections.abc import Collection
from datetime import date

from proxy.retrieval.views import view_of
from proxy.routing.match import load_table
from proxy.routing.models import Destination


def identified(destination_ids: Collection[int], project_id: int, today: date) -> list[int]:
    """Those of these destinations that may have results of this project."""
    rows = Destination.objects.filter(pk__in=destination_ids, retired_at=None, node__retired_at=None)
    seeing = _nodes(project_id, today)
    return [pk for pk, node_id in rows.order_by("pk").values_list("pk", "node_id") if node_id in seeing]


def _nodes(project_id: int, today: date) -> set[int]:
    nodes = [node for group in load_table().nodes.values() for node in group]
    views = [(node.id, view_of(node, today)) for node in nodes]
    return {
        node_id
        for node_id, view in views
        if view is not None and view.is_identified and project_id in view.projects
    }
