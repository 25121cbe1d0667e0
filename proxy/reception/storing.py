"""The one transaction that makes an image ours: instance, series, study, seal and UIDs, or nothing of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from proxy.quarantine.decide import released
from proxy.quarantine.lifecycle import LIFE
from proxy.quarantine.models import HeldItem
from proxy.reception import charging
from proxy.studies import index
from proxy.studies.index import Arrival, Conflict, Outcome, Stored
from proxy.vault import seals, studykeys
from proxy.vault.seals import PairRow, SealRow
from proxy.vault.studykeys import StudyKeyRow


@dataclass(frozen=True, slots=True)
class Freed:
    item: HeldItem
    by: str


class AlreadyDecided(Exception):
    """Somebody else decided about this held image first; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What the committer does for one image, whose file is durable already."""

    arrival: Arrival
    seal: SealRow
    uid_pairs: tuple[PairRow, ...]
    frees: "Freed | None" = None  # the held item that this image was
    study_keys: tuple[StudyKeyRow, ...] = ()


Written = Outcome


def write(batch: Sequence[Commit]) -> list[Written]:
    outcomes = index.place([commit.arrival for commit in batch])
    stored = [commit for commit, outcome in zip(batch, outcomes, strict=True) if isinstance(outcome, Stored)]
    for commit, outcome in zip(batch, outcomes, strict=True):
        if isinstance(outcome, Stored) and outcome.again:
            seals.drop(commit.seal.project_id, [commit.seal.sop_uid])  # this one has what the old one had
    seals.keep([commit.seal for commit in stored])
    if pairs := [pair for commit in stored for pair in commit.uid_pairs]:
        seals.keep_pairs(pairs)
    studykeys.keep([key for commit in stored for key in commit.study_keys])
    freed = [commit.frees for commit in stored if commit.frees is not None]
    for one in freed:
        _free(one)
    _charge(batch, outcomes)
    for one in freed:
        released(one.item, one.by)
    return outcomes


def _charge(batch: Sequence[Commit], outcomes: Sequence[Outcome]) -> None:
    """Last, so that customers wait for each other no longer than they must. A batch that is too much for one of them
    fails as a whole, and is tried again image by image (`committer`)."""
    kept = [
        one.arrival for one, outcome in zip(batch, outcomes, strict=True) if not isinstance(outcome, Conflict)
    ]
    charging.charge([(one.project_id, one.size) for one in kept], timezone.now())


def _free(freed: Freed) -> None:
    decision = {"decided_at": timezone.now(), "decided_by": freed.by[:150]}
    if not LIFE.move(HeldItem.objects.filter(pk=freed.item.pk), "release", **decision):
        raise AlreadyDecided
