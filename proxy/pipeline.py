"""The story of the house, on one page. Every line is the name of a room you can walk into.

    modality ──C-STORE──▶ receive ──▶ settle ──▶ deliver ──▶ PACS, archive, folder
                             │            │
                         quarantine     review

**receive** takes an image off the wire, finds its route, project and person, takes the identity out while it
is still in memory, writes the clean file, and commits instance, seal and study in one transaction. Only then
does the sender hear Success. A gate that says no puts the original, encrypted, into quarantine.

**settle** finds the studies that have gone quiet, and of which their PACS has no more, asks for review where the
route wants it, and opens one delivery for each destination. A late image opens the study's next revision; only the
new images go out.

**deliver** claims one delivery at a time, hands a parcel to the destination's agent, keeps each
acknowledgement, and ends in an outcome: delivered, later, or refused, with the reason. Where a site says
`DICOM_ANONYMIZE_PATIENTS=False`, what goes out is made of image and seal while it goes, and only to whoever may see it.

**bring home** takes what was made outside from our images, such as a segmentation, finds the study it belongs to, and
sends it there with its identity, restored in memory. What does not fit with certainty goes to quarantine.

What was delivered everywhere **goes** when its retention has passed: first its row says so, then its files are removed.

Nothing here waits in memory: whatever is stopped in between goes on where it stood (promise 12).
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.db import close_old_connections, connections, transaction

from proxy import clocks
from proxy.alerts import anchored, looking, notices
from proxy.alerts.channels import CHANNELS
from proxy.audit import anchors, sending
from proxy.audit.actions import RELEASED
from proxy.audit.record import record
from proxy.backend.remembered import load_table
from proxy.books import closing
from proxy.deid import Hold
from proxy.deid.homeward import Mentions
from proxy.deliveries import archives, arrivals, queue
from proxy.deliveries.commitment import Results
from proxy.deliveries.originals import Originals
from proxy.deliveries.work import Workers
from proxy.evidence import notary
from proxy.network.door import Door, Sink, StoreCommand
from proxy.quarantine.models import HeldItem
from proxy.reception import held, storing, turns
from proxy.reception.committer import Committer
from proxy.reception.door import Reception
from proxy.reception.pulled import Pulled
from proxy.reception.sink import Receiving
from proxy.reception.storing import Commit, Written
from proxy.retention import keeper
from proxy.retention.steady import Steady
from proxy.retrieval import delivering
from proxy.retrieval.calling import call_who_waits
from proxy.retrieval.commitments import Commitments
from proxy.retrieval.counts import Counting
from proxy.retrieval.home import deciding as homeward
from proxy.retrieval.home.arriving import Arrival, arrive
from proxy.retrieval.home.carrying import Carrier
from proxy.retrieval.images import Images
from proxy.retrieval.query.answering import Queries
from proxy.rounds import Rounds
from proxy.routing.match import NodeFacts, RouteFacts, SnapshotCache
from proxy.routing.refusals import Refusals
from proxy.service import hooks, jobs
from proxy.studies import excluding, quiet
from proxy.studies.lifecycle import LIFE
from proxy.studies.models import Revision
from proxy.tiers import billing, subscriptions
from proxy.vault import uids

log = logging.getLogger(__name__)

ORIGINALS = Originals(delivering.restoring, delivering.naming, uids.names_of)


# --- receive --------------------------------------------------------------------------------------


def open_reception() -> tuple[Door, Callable[[], None]]:
    """What the listener asks for every association and every image, and how to close it."""
    committer: Committer[Commit, Written] = Committer(storing.write, turns.at_the_database())
    refusals = Refusals()
    refusals.start()

    def close() -> None:
        committer.stop()
        refusals.stop()

    return Reception(
        committer,
        SnapshotCache(load_table),
        commitments(),
        Results(uids.names_of),
        Images(),
        refusals,
        bring_home,
        Queries(),
    ), close


def open_pull(node_id: int) -> tuple[Door, Callable[[], None]]:
    """Where what we ask a node for goes: the way of what comes to the listener."""
    committer: Committer[Commit, Written] = Committer(storing.write, turns.at_the_database())
    return Pulled(committer, SnapshotCache(), node_id), committer.stop


def open_posts() -> Callable[[RouteFacts | None, NodeFacts | None, StoreCommand], Sink]:
    """Where what comes over HTTP goes: the way of what comes to the listener. Who brings it is known already."""
    committer: Committer[Commit, Written] = Committer(storing.write, turns.at_the_database())

    def begin(route: RouteFacts | None, node: NodeFacts | None, command: StoreCommand) -> Sink:
        return Receiving(committer, route, node, command, bring_home)

    return begin


def commitments() -> Commitments:
    """What answers for images by storage commitment; only deliveries know where they have arrived."""
    return Commitments(arrivals.everywhere)


def release_held(item_id: int, by: str) -> str:
    """A person, or a proof, sets a held image free: it goes the way of any other, past the gate that held it."""
    item = HeldItem.objects.get(pk=item_id)
    if not homeward.is_result(item):
        return held.release(item_id, by)
    try:
        return homeward.look_again(item, by)
    except homeward.StaysHeld as why:
        raise held.CannotRelease(str(why)) from None


# --- settle ---------------------------------------------------------------------------------------


def settle(now: datetime) -> int:
    """Close what has gone quiet, release what may go, open its deliveries; how many revisions went on their way."""
    quiet.close_quiet(now)
    for revision in quiet.awaiting_release():
        _release(revision, now)
    return sum(open_deliveries(revision, now) > 0 for revision in quiet.awaiting_deliveries())


def _release(revision: Revision, now: datetime) -> None:
    mine = Revision.objects.filter(quiet.of_free_study(), pk=revision.pk)
    with transaction.atomic():
        if excluding.is_aside(revision):
            excluding.close(mine, revision, now)
        elif revision.route.review:
            LIFE.move(mine, "ask")
        elif LIFE.move(mine, "release", released_at=now):
            detail = {"revision": revision.number, "images": revision.total}
            record(RELEASED, actor="settle", subject=revision.study.uid, detail=detail)


def open_deliveries(revision: Revision, now: datetime) -> int:
    """One delivery for each destination that was bound to the revision, or whose route names it by now."""
    named = {one.pk: one for one in revision.route.destinations.filter(retired_at=None)}
    bound = {one.pk: one for one in revision.destinations.all()}
    return queue.open_for(revision, (bound | named).values(), now)


# --- deliver --------------------------------------------------------------------------------------


def crew(count: int) -> Workers:
    """Those who deliver, and what they make originals with: deliveries themselves cannot name the vault."""
    return Workers(count, originals=ORIGINALS)


def work(
    now: Callable[[], datetime], going: Callable[[], bool], workers: Workers, pause: float = 0.25
) -> None:
    """Settle, deliver, compare what is held, call who waits, let go what was kept long enough, keep the books, tell
    whoever should know of trouble, until told to stop."""
    workers.start()
    waiting, retention = commitments(), Steady()
    rounds = (
        Rounds("calling about commitments", lambda: call_who_waits(waiting)),
        Rounds("bringing results home", Carrier().look),
        Rounds("asking for counts", Counting().look, pause=0.5),
        Rounds("sweeping archives", archives.sweep, archives.SWEEP_EVERY, first=0.0),
        Rounds("retention", lambda: retention.look(now(), going), keeper.LOOK_EVERY, first=0.0),
        Rounds("keeping the books", lambda: closing.look(now(), going), closing.LOOK_EVERY, first=5.0),
        Rounds("looking for trouble", lambda: looking.look(now(), going), looking.LOOK_EVERY, first=10.0),
        *(
            Rounds(f"telling by {one.name}", partial(notices.tell, one, now, going), notices.TELL_EVERY)
            for one in CHANNELS
        ),
        Rounds("sweeping alerts", lambda: notices.sweep(now()), notices.SWEEP_EVERY),
        Rounds("telling of jobs", lambda: hooks.tell_due(now, going), hooks.TELL_EVERY),
        Rounds("sweeping results of the service", lambda: jobs.sweep(now()), jobs.SWEEP_EVERY),
        Rounds("minding the clock", lambda: clocks.mind(now()), clocks.LOOK_EVERY, first=0.0),
        Rounds(
            "minding subscriptions", lambda: subscriptions.lapse(now()), subscriptions.LOOK_EVERY, first=30.0
        ),
        Rounds("sweeping what Stripe said", lambda: billing.sweep(now()), billing.SWEEP_EVERY, first=60.0),
        Rounds("sending the audit", lambda: sending.look(now(), going), sending.SEND_EVERY),
        Rounds("anchoring the audit", lambda: anchored.look(now()), anchors.ANCHOR_EVERY, first=30.0),
        Rounds("making evidence", lambda: notary.attest_released(now(), going), pause=2.0),
    )
    for one in rounds:
        one.start()
    while going():
        if _quietly(lambda: settle(now())):
            workers.wake()
        _quietly(held.compare_recompressed)
        time.sleep(pause)
    for one in rounds:
        one.stop(grace=1.0)


def _quietly(step: Callable[[], int]) -> int:
    """One step's trouble ends neither the process nor the other steps; it is tried again."""
    try:
        close_old_connections()
        return step()
    except Exception as trouble:
        log.error("work: %s while settling; it is tried again", type(trouble).__name__)
        connections.close_all()
        return 0


# --- bring home -----------------------------------------------------------------------------------


def bring_home(route: RouteFacts, node: NodeFacts, syntax: str, data: bytes, said: Mentions) -> Hold | None:
    """A result of an outside node: safe and on its way to the study it belongs to, or held for this reason."""
    return arrive(Arrival(route, node, syntax, data, said))
