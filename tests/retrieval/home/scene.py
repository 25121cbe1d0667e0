"""A hospital that sends images out through us, somebody outside, and what comes back."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from django.conf import settings
from pydicom import dcmread
from pydicom.dataset import Dataset

from proxy.deid import make_meta
from proxy.network.door import Reply, StoreCommand
from proxy.pipeline import bring_home
from proxy.reception.held import Direct
from proxy.reception.sink import Receiving
from proxy.retrieval.home.restoring import restored_data
from proxy.retrieval.models import Result
from proxy.routing.match import NodeFacts, RouteFacts, load_table
from proxy.routing.models import Destination, Node, Project, Route
from proxy.studies.models import Instance
from tests import results
from tests.reception.sending import send

PACS = "PACS"
AI = "AI"


@dataclass(frozen=True, slots=True)
class Hospital:
    inward: RouteFacts
    homeward: RouteFacts
    ai: NodeFacts

    @classmethod
    def build(cls, recipe: str = "basic", port: int = 11113) -> "Hospital":
        project = Project.objects.create(name="default", recipe=recipe)
        grant = {"purpose": "treatment", "until": "2099-01-01"}
        pacs = Node.objects.create(
            name=PACS, ae_title=PACS, host="127.0.0.1", port=port, view="identified",
            networks=["127.0.0.1/32"], grant=grant,
        )  # fmt: skip
        pacs.projects.add(project)
        Node.objects.create(name=AI, ae_title=AI, host="127.0.0.1", port=104, may=["store"], outside=True)
        home = Destination.objects.create(name="home", kind="dimse", node=pacs)
        Route.objects.create(called_ae="DICOMRCV", project=project)
        Route.objects.create(called_ae="RESULTS", project=project).destinations.add(home)
        return cls.now()

    @classmethod
    def now(cls) -> "Hospital":
        """As the site is configured at this moment."""
        table = load_table()
        inward, homeward = table.route_for("DICOMRCV", ""), table.route_for("RESULTS", AI)
        ai = table.node_for(AI, "127.0.0.1")
        assert inward is not None and homeward is not None and ai is not None
        return cls(inward, homeward, ai)

    def outside(self, *images: Dataset) -> list[Dataset]:
        """These images as somebody outside gets them."""
        for image in images:
            assert send(self.inward, image) == 0
        rows = Instance.objects.order_by("-pk")[: len(images)]
        folder = Path(settings.DICOM_STORAGE_DIR) / "studies"
        return [dcmread(folder / row.path) for row in reversed(rows)]

    def comes_home(self, result: Dataset) -> Reply:
        data, syntax = results.encoded(result)
        return self.comes_home_encoded(data, syntax, str(result.SOPClassUID), str(result.SOPInstanceUID))

    def comes_home_encoded(self, data: bytes, syntax: str, sop_class: str, uid: str) -> Reply:
        command = StoreCommand(sop_class, uid, syntax, 1, None, None)
        sink = Receiving(Direct(), self.homeward, self.ai, command, bring_home)
        for at in range(0, len(data), 4096):
            sink.feed(memoryview(data)[at : at + 4096])
        return sink.finish()


def at_home() -> Dataset:
    """The last result as the hospital gets it."""
    result = Result.objects.select_related("node").latest("pk")
    head = make_meta(result.sop_class, result.uid, result.transfer_syntax)
    return dcmread(BytesIO(head + restored_data(result)))
