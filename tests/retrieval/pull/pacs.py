"""A PACS to ask: pynetdicom's provider with images of the cast, and with the habits that a test gives it."""

import ssl
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.presentation import StoragePresentationContexts

from tests.cluster import free_port

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE, GET = "1.2.840.10008.5.1.4.1.2.2.2", "1.2.840.10008.5.1.4.1.2.2.3"
BY_PATIENT = ("1.2.840.10008.5.1.4.1.2.1.1", "1.2.840.10008.5.1.4.1.2.1.2", "1.2.840.10008.5.1.4.1.2.1.3")
UNIQUE = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}
HERE = "127.0.0.1"
Answers = Iterator[tuple[int, Dataset | None]]


@dataclass
class Pacs:
    images: list[Dataset]
    services: Sequence[str] = (FIND, MOVE, GET)
    ae_title: str = "PACS"
    knows: dict[str, int] = field(default_factory=dict)  # AE titles to move to, and their ports
    find: Callable[["Pacs", Dataset], Answers] | None = None  # in the place of its own
    withheld: set[str] = field(default_factory=set)  # SOP Instance UIDs that it lists and does not give
    lists_images: bool = True
    is_lenient: bool = False  # lists studies in Patient Root to whoever names no patient
    before_finding: Callable[[Any], object] = lambda event: None
    before_asking: Callable[[Any], object] = lambda event: None  # of C-GET
    before_moving: Callable[[Any], object] = lambda event: None
    before_giving: Callable[[int], None] = lambda number: None
    tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None  # as the called, and as the caller of C-MOVE
    port: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)  # service and level, in the order of asking
    given: list[str] = field(default_factory=list)
    cancelled: int = 0

    def count(self, service: str) -> Counter[str]:
        return Counter(level for one, level in self.asked if one == service)

    # --- C-FIND -----------------------------------------------------------------------------------

    def on_find(self, event: evt.Event) -> Answers:
        wanted = event.identifier
        self.before_finding(event)
        self.asked.append(("find", wanted.QueryRetrieveLevel))
        if self.lacks_patient(event):
            yield 0xA900, None
            return
        for status, answer in self.find(self, wanted) if self.find else self.found(wanted):
            if event.is_cancelled:
                self.cancelled += 1
                yield 0xFE00, None
                return
            yield status, answer

    def lacks_patient(self, event: evt.Event) -> bool:
        """In Patient Root whoever asks below patients must say which; in Study Root only a query for studies may."""
        wanted = event.identifier
        if event.context.abstract_syntax in BY_PATIENT:
            return not wanted.get("PatientID") and not (
                self.is_lenient and wanted.QueryRetrieveLevel == "STUDY"
            )
        return "PatientID" in wanted and event.context.abstract_syntax != FIND

    def found(self, wanted: Dataset) -> Answers:
        level = wanted.QueryRetrieveLevel
        if level == "IMAGE" and not self.lists_images:
            yield 0xA900, None
            return
        seen = set()
        for image in self.matching(wanted):
            uid = image[UNIQUE[level]].value
            if uid not in seen:
                seen.add(uid)
                yield 0xFF00, self.answer(wanted, image, level)

    def answer(self, wanted: Dataset, image: Dataset, level: str) -> Dataset:
        told = Dataset()
        told.QueryRetrieveLevel = level
        for element in wanted:
            if element.keyword == "NumberOfStudyRelatedInstances":
                own = [one for one in self.images if one.StudyInstanceUID == image.StudyInstanceUID]
                told.NumberOfStudyRelatedInstances = len(own)
            elif element.keyword == "ModalitiesInStudy":
                told.ModalitiesInStudy = image.Modality
            elif element.keyword in image and element.keyword not in ("QueryRetrieveLevel",):
                told[element.keyword] = image[element.keyword]
        return told

    def matching(self, wanted: Dataset) -> list[Dataset]:
        return [image for image in self.images if all(_fits(element, image) for element in wanted)]

    # --- C-GET, C-MOVE ----------------------------------------------------------------------------

    def on_get(self, event: evt.Event) -> Iterator[Any]:
        self.before_asking(event)
        self.asked.append(("get", event.identifier.QueryRetrieveLevel))
        if self.lacks_patient(event):
            yield 1
            yield 0xA900, None
            return
        yield from self._given(event.identifier)

    def on_move(self, event: evt.Event) -> Iterator[Any]:
        self.before_moving(event)
        self.asked.append(("move", event.identifier.QueryRetrieveLevel))
        port = self.knows.get(event.move_destination)
        if port is None:
            yield None, None
            return
        contexts = {"contexts": StoragePresentationContexts[:100]}
        shown = {"tls_args": (self.tls[1], HERE)} if self.tls else {}
        yield HERE, port, {**contexts, **shown, "ae_title": event.move_destination}
        if self.lacks_patient(event):
            yield 1
            yield 0xA900, None
            return
        yield from self._given(event.identifier)

    def _given(self, wanted: Dataset) -> Iterator[Any]:
        images = [one for one in self.matching(wanted) if one.SOPInstanceUID not in self.withheld]
        yield len(images)
        for image in images:
            self.before_giving(len(self.given))
            self.given.append(str(image.SOPInstanceUID))
            yield 0xFF00, image


def _fits(element: Any, image: Dataset) -> bool:
    if not element.value or element.keyword in ("QueryRetrieveLevel", "SpecificCharacterSet"):
        return True
    if element.keyword == "ModalitiesInStudy":
        return bool(image.Modality == element.value)
    if element.keyword == "StudyDate" and "-" in element.value:
        first, _, last = element.value.partition("-")
        return bool((not first or image.StudyDate >= first) and (not last or image.StudyDate <= last))
    if element.keyword not in image:
        return True
    value = element.value
    return str(image[element.keyword].value) in (
        [value] if isinstance(value, str) else [str(v) for v in value]
    )


@contextmanager
def serving(pacs: Pacs) -> Iterator[Pacs]:
    ae = AE(pacs.ae_title)
    for service in pacs.services:
        ae.add_supported_context(service)
    for context in StoragePresentationContexts:
        ae.add_supported_context(
            context.abstract_syntax, context.transfer_syntax, scu_role=True, scp_role=True
        )
    handlers: list[tuple[Any, Any]] = [
        (evt.EVT_C_FIND, pacs.on_find), (evt.EVT_C_GET, pacs.on_get), (evt.EVT_C_MOVE, pacs.on_move)
    ]  # fmt: skip
    handlers.append((evt.EVT_C_STORE, lambda event: 0))
    ae.require_called_aet = False
    pacs.port = free_port()
    context = pacs.tls[0] if pacs.tls else None
    server = ae.start_server((HERE, pacs.port), block=False, evt_handlers=handlers, ssl_context=context)
    try:
        yield pacs
    finally:
        server.shutdown()
