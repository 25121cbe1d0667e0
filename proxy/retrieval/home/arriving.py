"""A result comes in from an outside node: which study is it of, and may it go on? What does not fit is held."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone

from proxy.commits import InDoubt, surely
from proxy.deid import Hold, map_uid, split, subject_uid_key
from proxy.deid.homeward import UNKNOWN, Match, Mentions, decide
from proxy.quarantine import keeping as quarantine
from proxy.quarantine.decide import released
from proxy.quarantine.lifecycle import LIFE as HELD_LIFE
from proxy.quarantine.models import HeldItem
from proxy.retrieval.home import keeping, looking
from proxy.retrieval.home.whither import identified
from proxy.retrieval.models import Homecoming, Result
from proxy.routing.match import NodeFacts, RouteFacts
from proxy.storage.files import remove
from proxy.studies.models import Instance
from proxy.vault.keyring import current
from proxy.vault.models import Person
from proxy.vault.projects import project_key, wrapping
from proxy.vault.pseudonyms import known_by

CODE = "home-"
OWN_UID = Hold("home-own-uid", "This comes back under the UID of an image of ours, and is not that image.")
OTHER_CONTENT = Hold("home-conflict", "A result of this UID came home before, with other content.")
TOO_MANY = Hold("home-too-many", f"This result mentions more than {looking.MOST} UIDs.")
NOWHERE = Hold(
    "home-nowhere", "The route names no DICOM node with the identified view: no result may go there."
)


@dataclass(frozen=True, slots=True)
class Freed:
    """The held item that this result was, and who set it free."""

    item: HeldItem
    by: str


class AlreadyDecided(Exception):
    """Somebody else decided about this held result first; nothing was changed."""


@dataclass(frozen=True, slots=True, repr=False)
class Arrival:
    """A whole data set of an outside node, in memory, and what it mentions."""

    route: RouteFacts
    node: NodeFacts
    syntax: str
    data: bytes
    said: Mentions

    @property
    def project_id(self) -> int:
        return self.route.project_id

    @property
    def digest(self) -> str:
        return current().blind(self.project_id, hashlib.sha256(self.data).hexdigest())


def arrive(arrival: Arrival, frees: Freed | None = None) -> Hold | None:
    """Safe when this returns: on its way home, or held for this reason."""
    now = timezone.now()
    try:
        hold = _go_on(arrival, frees, now)
    except IntegrityError:  # the same UID came over another association at once
        hold = _go_on(arrival, frees, now)
    if hold is not None and frees is None:
        _hold(arrival, hold, now)
    return hold


def _go_on(arrival: Arrival, frees: Freed | None, now: datetime) -> Hold | None:
    said, project_id = arrival.said, arrival.project_id
    if _is_here(arrival):
        return None
    if (hold := _taken(arrival)) is not None:
        return hold
    verdict = decide(said, looking.look_up(project_id, said))
    if isinstance(verdict, Hold):
        return verdict
    destinations = identified(arrival.route.destination_ids, project_id, now.date())
    if not destinations:
        return NOWHERE
    _keep(arrival, verdict, destinations, frees, now)
    return None


def _is_here(arrival: Arrival) -> bool:
    """What was only sent back, or sent again, is safe: we have it."""
    project_id, uid = arrival.project_id, arrival.said.uid
    ours = looking.is_ours(project_id, uid)
    same = Result.objects.filter(project_id=project_id, uid=uid, digest=arrival.digest)
    return (ours is not None and _is_that(ours, arrival)) or same.exists()


def _is_that(ours: Instance, arrival: Arrival) -> bool:
    file = Path(settings.DICOM_STORAGE_DIR) / "studies" / ours.path
    if not file.is_file() or ours.transfer_syntax != arrival.syntax:
        return False
    return split(file.read_bytes()).dataset == arrival.data


def _taken(arrival: Arrival) -> Hold | None:
    """Its UID is another object's, or it is too much to look at."""
    project_id, said = arrival.project_id, arrival.said
    if looking.is_sealed(project_id, said.uid) or looking.is_ours(project_id, said.uid):
        return OWN_UID
    if Result.objects.filter(project_id=project_id, uid=said.uid).exists():
        return OTHER_CONTENT
    return TOO_MANY if len(said.uids) > looking.MOST else None


def _keep(
    arrival: Arrival, match: Match, destinations: list[int], frees: Freed | None, now: datetime
) -> None:
    person = Person.objects.get(project_id=arrival.project_id, pseudonym=match.place.patient)
    path = keeping.write(arrival.project_id, arrival.data, known_by(person).wrap)
    try:
        with surely():
            result = Result.objects.create(**_row(arrival, match), path=path, received_at=now)
            result.destinations.set(destinations)
            rows = [Homecoming(result=result, destination_id=one, next_try_at=now) for one in destinations]
            Homecoming.objects.bulk_create(rows)
            if frees is not None:
                _free(frees, now)
    except InDoubt:
        raise  # the row may name the file
    except Exception:
        remove(keeping.folder() / path)
        raise


def _row(arrival: Arrival, match: Match) -> dict[str, object]:
    said = arrival.said
    return {
        "project_id": arrival.project_id,
        "route_id": arrival.route.id,
        "node_id": arrival.node.id,
        "patient": match.place.patient,
        "study_uid": match.place.study,
        "certainty": match.certainty,
        "uid": said.uid,
        "series_uid": said.series,
        "sop_class": said.sop_class,
        "transfer_syntax": arrival.syntax,
        "digest": arrival.digest,
        "size": len(arrival.data),
    }


def _free(freed: Freed, now: datetime) -> None:
    decision = {"decided_at": now, "decided_by": freed.by[:150]}
    if not HELD_LIFE.move(HeldItem.objects.filter(pk=freed.item.pk), "release", **decision):
        raise AlreadyDecided
    released(freed.item, freed.by)


def _hold(arrival: Arrival, hold: Hold, now: datetime) -> None:
    """Under the project's key: whose it is, is not known."""
    spool = quarantine.spool(arrival.project_id, wrapping(arrival.project_id)[0])
    spool.write(arrival.data)
    said = arrival.said
    item = HeldItem(
        project_id=arrival.project_id,
        route_id=arrival.route.id,
        node_id=arrival.node.id,
        code=hold.code,
        reason=hold.reason,
        uid=_name(arrival, hold),
        sop_class=said.sop_class,
        transfer_syntax=arrival.syntax,
        header_mac=arrival.digest,
        path=spool.path,
        held_at=now,
    )
    quarantine.hold(item, spool, arrival.route.destination_ids, quarantine.of_nobody)


def _name(arrival: Arrival, hold: Hold) -> str:
    """Of what is not known to be of ours, an original that should not have been outside, the UID would name it."""
    uid = arrival.said.uid
    if hold not in (UNKNOWN, TOO_MANY):
        return uid
    return map_uid(subject_uid_key(project_key(arrival.project_id)), uid)
