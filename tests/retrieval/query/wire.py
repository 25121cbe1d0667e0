"""A real listener behind the real door, and a peer that asks it."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from proxy import pipeline
from proxy.network.finding import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from proxy.network.scp import Listener, ListenSettings

HERE = "127.0.0.1"
CALLED = "DEFAULT"
ROOTS = {"patient": PATIENT_ROOT_FIND, "study": STUDY_ROOT_FIND}


@contextmanager
def listening() -> Iterator[int]:
    door, close = pipeline.open_reception()
    listener = Listener(ListenSettings(port=0, bind=HERE), door)
    listener.start()
    try:
        yield listener.port
    finally:
        listener.stop(grace=1.0)
        close()


@dataclass
class Heard:
    """The answers of one query, and how it ended."""

    status: int = -1
    comment: str = ""
    answers: list[Dataset] = field(default_factory=list)
    pending: list[int] = field(default_factory=list)

    def values(self, keyword: str) -> list[Any]:
        return [one.get(keyword) for one in self.answers]


@contextmanager
def association(
    port: int,
    calling: str,
    called: str = CALLED,
    extended: bytes = b"",
    root: str = "study",
    syntax: str = ExplicitVRLittleEndian,
) -> Iterator[Any]:
    ae = AE(ae_title=calling)
    for one in ROOTS.values():
        ae.add_requested_context(one, [ExplicitVRLittleEndian])
    items = []
    if extended:
        item = SOPClassExtendedNegotiation()
        item.sop_class_uid, item.service_class_application_information = ROOTS[root], extended
        items.append(item)
    made = ae.associate(HERE, port, ae_title=called, ext_neg=items)
    assert made.is_established
    try:
        yield made
    finally:
        made.release()


def identifier(level: str, keys: Mapping[str, Any]) -> Dataset:
    made = Dataset()
    for keyword, value in {"QueryRetrieveLevel": level, **keys}.items():
        made.add(element(keyword, value))
    return made


def element(keyword: str, value: Any) -> DataElement:
    """A dict is the one item of a sequence."""
    tag, vr = tag_for_keyword(keyword), dictionary_VR(keyword)
    if isinstance(value, dict):
        item = Dataset()
        for one in value.items():
            item.add(element(*one))
        value = [item]
    return DataElement(tag or 0, vr, value, validation_mode=config.IGNORE)


def heard(made: Any, wanted: Dataset, root: str = "study") -> Heard:
    said = Heard()
    for status, answer in made.send_c_find(wanted, ROOTS[root]):
        assert "Status" in status, "no answer came"
        if status.Status in (0xFF00, 0xFF01):
            said.answers.append(answer)
            said.pending.append(status.Status)
        else:
            said.status, said.comment = status.Status, str(status.get("ErrorComment", ""))
    return said


def keep_answers(made: Any) -> None:
    """For whoever asks without pynetdicom's own methods, which stop its reader themselves."""
    made._reactor_checkpoint.clear()
    while not made._is_paused:
        time.sleep(0.001)


def ask(
    port: int, level: str, calling: str = "WARD", root: str = "study", extended: bytes = b"", **keys: Any
) -> Heard:
    with association(port, calling, extended=extended, root=root) as made:
        return heard(made, identifier(level, keys), root)


def wait_a_second() -> None:
    """As long as the door may still go by what the site said before."""
    time.sleep(1.1)
