"""Deliver to the backend (docs/backend.md): one archive for each study and revision, uploaded as a form.

Delivered is what the backend answers with 200 or 201 and an id, and nothing else; the id is kept. Within an attempt
an upload that failed for now is tried again UPLOAD_MAX_RETRIES times, UPLOAD_RETRY_DELAY apart; then the delivery
waits and comes again by the breaker's rules, without end. A second upload of the same archive does no harm: the
backend is asked to skip what it has.

401, 403 and 404 keep the delivery waiting and are not retried at once: a person has to renew the token or activate
us there, and then everything goes on by itself.
"""

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from proxy.deliveries.addresses import Platform
from proxy.deliveries.agents import archive
from proxy.deliveries.agents.web import platform
from proxy.deliveries.agents.web.bodies import Body, SourceGone, form
from proxy.deliveries.agents.web.line import PATIENCE, SOURCE_GONE, Answer, Line, Patience
from proxy.deliveries.agents.web.meanings import Kind, meaning, retry_after
from proxy.deliveries.agents.web.probe import PATIENCE as LITTLE_PATIENCE
from proxy.deliveries.outcomes import INTERRUPTED, Delivered, Outcome, Refused, TryLater
from proxy.deliveries.parcel import Address, Parcel

LOOK_EVERY = 0.2
LONGEST_WAIT = timedelta(seconds=60)  # a longer Retry-After ends the attempt
FAILED = {"failed", "error", "rejected"}
PERSON = {
    401: "The backend does not accept our token (401): put a valid one into ITH_TOKEN.",
    403: "The backend says that we are inactive or may not upload (403): activate this proxy there.",
    404: "The backend does not know us or this address (404): check ITH_URL and ITH_TOKEN.",
}
NO_WORKSPACE = TryLater("The backend answers our question for the configuration without a workspace_id.")
NO_ID = TryLater("The backend answers the upload without an id, so it is not taken to have it.")
NOT_TAKEN = TryLater("The backend answers the upload with an id and says that it failed.")


def deliver(
    parcel: Parcel,
    acknowledge: Callable[[Sequence[int]], None],
    keep_going: Callable[[], bool],
    patience: Patience = PATIENCE,
) -> Outcome:
    if not isinstance(parcel.to, Platform):
        raise TypeError("The backend agent delivers to the backend only.")
    to = parcel.to
    with Line(to.trust, keep_going, platform.AGENT, patience) as line:
        outcome = _deliver(line, to, parcel, keep_going)
    if isinstance(outcome, Delivered):
        acknowledge(sorted(parcel.ordinals))
    return outcome


def _deliver(line: Line, to: Platform, parcel: Parcel, keep_going: Callable[[], bool]) -> Outcome:
    """The workspace is asked for first: a backend that is away costs no archive."""
    workspace = workspace_of(line, to)
    if isinstance(workspace, TryLater):
        return workspace
    path = archive.ready(parcel, to.archives, to.room, keep_going)
    if not isinstance(path, Path):
        return path
    try:
        body = form(
            fields(parcel), "file", f"{parcel.study_uid}-{parcel.revision}.zip", path, "application/zip"
        )
    except SourceGone:
        return SOURCE_GONE
    return _persist(line, to, workspace, body, keep_going)


def _persist(line: Line, to: Platform, workspace: str, body: Body, keep_going: Callable[[], bool]) -> Outcome:
    url = f"{to.url}/api/v1/proxy/{quote(workspace, safe='')}/archives/upload"
    for retries_left in range(to.retries, -1, -1):
        answer = line.ask("POST", url, {"X-Proxy-Key": to.key, "Accept": "application/json"}, body)
        outcome, passes = (answer, answer.rests) if isinstance(answer, TryLater) else read(answer)
        pause = max(getattr(outcome, "after", None) or timedelta(0), timedelta(seconds=to.pause))
        if not passes or not retries_left or pause > max(LONGEST_WAIT, timedelta(seconds=to.pause)):
            break
        if not _wait(pause, keep_going):
            return INTERRUPTED
    return outcome


def _wait(pause: timedelta, keep_going: Callable[[], bool]) -> bool:
    end = time.monotonic() + pause.total_seconds()
    while keep_going():
        left = end - time.monotonic()
        if left <= 0:
            return True
        time.sleep(min(LOOK_EVERY, left))
    return False


def fields(parcel: Parcel) -> list[tuple[str, str]]:
    """What the form says beside the file: pseudonyms, counts, and what the clean index has."""
    metadata = {
        "study_instance_uid": parcel.study_uid,
        "revision": parcel.revision,
        "images": len(parcel.items),
        "series": len({item.series_uid for item in parcel.items}),
        "manifest": archive.MANIFEST,
    }
    return [
        ("name", f"{parcel.study_uid}-{parcel.revision}"),
        ("patient_id", parcel.patient),
        ("study_description", parcel.description),
        ("metadata", json.dumps(metadata)),
        ("conflict_resolution", "skip_existing"),
    ]


# --- answers --------------------------------------------------------------------------------------


def read(answer: Answer) -> tuple[Outcome, bool]:
    """What an answer to the upload means, and whether the same upload may do better at once."""
    if answer.status in {200, 201}:
        return _receipt(answer)
    if answer.status in PERSON:
        return TryLater(PERSON[answer.status]), False
    if answer.status == 413:
        return Refused(
            "The backend finds the archive too large (413): raise the limit for uploads there, and of any proxy on the"
            " way, then retry."
        ), False
    what = meaning(answer.status)
    after = retry_after(answer.retry_after, datetime.now(UTC))
    return what.outcome(after), what.kind is Kind.LATER


def _receipt(answer: Answer) -> tuple[Outcome, bool]:
    parsed = platform.parsed(answer.body)
    said = parsed if isinstance(parsed, dict) else {}
    found = identifier(said.get("id"))
    if not found:
        return NO_ID, True
    if str(said.get("status", "")).lower() in FAILED:
        return NOT_TAKEN, True
    return Delivered(receipt=found), False


def identifier(value: object) -> str:
    """An id as we keep it: what is longer, or no plain word, is none."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value) if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", str(value)) else ""


def workspace_of(line: Line, to: Platform) -> str | TryLater:
    """As the backend told us last; a house that it never told asks."""
    if to.workspace:
        return to.workspace
    said = platform.configuration(line, to.url, to.key)
    if isinstance(said, platform.Trouble):
        return TryLater(said.reason, said.after, said.rests)
    return identifier(said.what.get("workspace_id")) or NO_WORKSPACE


def probe(to: Address) -> TryLater | None:
    """By the question for our configuration: it shows, too, whether our token is good and we are active there."""
    if not isinstance(to, Platform):
        raise TypeError("The backend agent probes the backend only.")
    with Line(to.trust, lambda: True, platform.AGENT, LITTLE_PATIENCE) as line:
        found = workspace_of(line, replace(to, workspace=""))
    return found if isinstance(found, TryLater) and found != NO_WORKSPACE else None
