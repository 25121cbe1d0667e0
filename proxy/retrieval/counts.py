"""Ask the PACS of a route what it has of a study that is quiet here, and hold that against what came.

The PACS knows the study by its original UID: the vault opens that for the house, which leaves a mark, and nobody sees
it. The PACS's count alone settles it if it is ours; else its list says which images are missing, and which of them are
of a kind that nobody would take here. Each PACS is asked by a thread of its own, so that one that hangs keeps
no study waiting that another one knows.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

from django.conf import settings
from django.db import connections
from django.utils import timezone

from proxy.network.contexts import accepted_classes
from proxy.network.inquiring import Inquiry
from proxy.network.peer import Lost
from proxy.quarantine.models import HeldItem
from proxy.retrieval.pulls import inventory
from proxy.retrieval.pulls.answers import number
from proxy.retrieval.pulls.inventory import Target, TooMany
from proxy.retrieval.pulls.shelf import Shelf
from proxy.routing.models import Node
from proxy.routing.peers import peer_of
from proxy.storage.errors import SealBroken
from proxy.storage.keys import KeysMissing
from proxy.studies import completeness
from proxy.studies.completeness import Answer, Heard, Unheard
from proxy.studies.models import Instance, PacsCount, Study
from proxy.vault import uids
from proxy.vault.reidentify import VIEW, NotAllowed, Principal, Unknown, identity_of, original_uid
from proxy.vault.seals import Forgotten

log = logging.getLogger(__name__)

HOUSE: Final = Principal("counts", lambda permission: permission == VIEW, unlimited=True)
PURPOSE: Final = "To ask its PACS whether all of it is here."
ANSWERS_WITHIN: Final = 10.0  # seconds
LOSSES: Final = 2  # in a row; then it is not asked for the others of this round
EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)

NOT_KNOWN = "It knows no such study."
NOT_COUNTED = "It says neither how many images it has nor which."
TOO_MANY = "It lists more images than any study has."
NO_WAY_BACK = "Nothing leads back to what the study is called there."


class Counting:
    """One round after the other, by whoever works."""

    def __init__(self) -> None:
        self._asking: dict[int, threading.Thread] = {}

    def look(self) -> int:
        """How many PACS are being asked from now on."""
        if not completeness.is_wanted():
            return 0
        now = timezone.now()
        completeness.begin(now)
        completeness.give_up(now)
        self._asking = {node: thread for node, thread in self._asking.items() if thread.is_alive()}
        rows = sorted(completeness.due(now), key=lambda row: row.node_id)
        by_node = {node: list(group) for node, group in groupby(rows, key=lambda row: row.node_id)}
        free = by_node.keys() - self._asking.keys()
        for node in free:
            self._start(node, by_node[node])
        return len(free)

    def _start(self, node: int, rows: list[PacsCount]) -> None:
        thread = threading.Thread(
            target=_closing, args=(lambda: ask(rows),), name=f"counts-{node}", daemon=True
        )
        self._asking[node] = thread
        thread.start()

    def wait(self, seconds: float) -> None:
        for thread in self._asking.values():
            thread.join(seconds)


def _closing(job: Callable[[], object]) -> None:
    try:
        job()
    except Exception as trouble:  # the next round goes on, and in the end nobody waits for it
        log.error("asking for counts ended in %s; it is tried again", type(trouble).__name__)
    finally:
        connections.close_all()


def ask(rows: Iterable[PacsCount]) -> int:
    """About studies of one PACS; how many answers were kept."""
    kept, line = 0, None
    for row in rows:
        if not completeness.claim(row, timezone.now()):
            continue
        line = line or _Line(row.node)
        kept += completeness.hear(row, line.answer(row.revision.study), timezone.now())
    return kept


@dataclass(slots=True)
class _Line:
    """To one PACS. One that is lost twice in a row is not called again."""

    node: Node
    _lost: list[str] = field(init=False, default_factory=list)

    def answer(self, study: Study) -> Answer:
        if len(self._lost) >= LOSSES:
            return Unheard(self._lost[-1])
        try:
            uid = _original(study)
            with closing(Inquiry(peer_of(self.node, ANSWERS_WITHIN))) as inquiry:
                answer = held_against(inquiry, _target(inquiry, study, uid), study)
        except Lost as lost:
            self._lost.append(str(lost))
            return Unheard(str(lost))
        except TooMany:
            answer = Unheard(TOO_MANY)
        except (NotAllowed, Unknown, Forgotten, SealBroken):
            answer = Unheard(NO_WAY_BACK)
        except KeysMissing as missing:
            answer = Unheard(str(missing))
        self._lost.clear()
        return answer


def _original(study: Study) -> str:
    """What a recipe has left as it was has no way back, and needs none. Raises Forgotten, SealBroken, KeysMissing."""
    if uids.forgotten(study.project_id, [study.patient]):
        raise Forgotten("This person was forgotten.")
    try:
        return original_uid(HOUSE, study.uid, study.project_id, PURPOSE)
    except Unknown:
        return study.uid


def _target(inquiry: Inquiry, study: Study, uid: str) -> Target:
    if not inquiry.is_by_patient:
        return Target(uid)
    return Target(uid, identity_of(HOUSE, study.patient, study.project_id, PURPOSE).patient_id)


# --- what it has ------------------------------------------------------------------------------------------


def held_against(inquiry: Inquiry, target: Target, study: Study) -> Answer:
    """Raises Lost, TooMany."""
    known, said = _said(inquiry, target)
    if not known:
        return Unheard(NOT_KNOWN)
    came = arrived(study)
    if said == came:
        return Heard(said, said)
    images = inventory.taken(inquiry, target).images
    if not images:
        return Unheard(NOT_COUNTED) if said is None else Heard(said, min(said, came))
    here = Shelf(study.project_id, since=EVER).holds(image.uid for image in images)
    accepted = accepted_classes(settings.DICOM_ACCEPTED_CLASSES)
    missing = (image for image in images if image.uid not in here)
    not_taken = sum(bool(image.sop_class) and image.sop_class not in accepted for image in missing)
    return Heard(max(len(images), said or 0), len(here), not_taken)


def _said(inquiry: Inquiry, target: Target) -> tuple[bool, int | None]:
    """Whether it knows the study, and its count. Some answer with every study they have."""
    keys = {**inventory.study_keys(target), "NumberOfStudyRelatedInstances": ""}
    answers: Any = inquiry.ask(keys)
    with closing(answers):
        for one in answers:
            if one is not None and one.get("StudyInstanceUID") == (target.study,):
                return True, number(one, "NumberOfStudyRelatedInstances")
    return False, None


def arrived(study: Study) -> int:
    """Images of it that ever came, quarantined ones too."""
    stored = Instance.objects.filter(series__study=study).order_by().values_list("uid")
    held = (
        HeldItem.objects.filter(project_id=study.project_id, study_uid=study.uid)
        .order_by()
        .values_list("uid")
    )
    return stored.union(held).count()
