"""From the rows of several rooms to what decides about a revision; a few statements for a page of them."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Max

from proxy.deliveries.lifecycle import DELIVERED, DROPPED
from proxy.deliveries.models import Delivery
from proxy.retrieval.home import lifecycle as home
from proxy.retrieval.models import Homecoming
from proxy.studies.models import Instance, Revision
from proxy.studies.retention import Facts, Policy

OVER = {DELIVERED, DROPPED}
ON_THE_WAY = (home.WAITING, home.CLAIMED, home.REFUSED)

Sent = tuple[int, str, datetime | None]  # destination, state and end of a delivery
Study = tuple[int, str]  # project and UID


def policy_of(site: Any = settings, *, older_than: timedelta | None = None, rejected: bool = False) -> Policy:
    """As the settings say, or as a person does who names an age."""
    if older_than is not None:
        return Policy(older_than, rejected=rejected)
    return Policy(timedelta(days=site.RETENTION_FILES), site.CLEANUP_AFTER_UPLOAD, rejected)


def facts_of(revisions: Collection[Revision]) -> dict[int, Facts]:
    """By the revisions' numbers. Their studies are read along with them."""
    numbers = [one.pk for one in revisions]
    bound, sent, terms = _bound(numbers), _sent(numbers), _terms(numbers)
    homeward = _homeward({(one.study.project_id, one.study.uid) for one in revisions})
    return {
        one.pk: weighed(
            one,
            bound.get(one.pk, set()),
            sent.get(one.pk, []),
            terms.get(one.pk),
            (one.study.project_id, one.study.uid) in homeward,
        )
        for one in revisions
    }


def weighed(
    revision: Revision,
    bound: Collection[int],
    sent: Iterable[Sent],
    committed_until: datetime | None,
    is_coming_home: bool,
) -> Facts:
    states = {destination: state for destination, state, _ in sent}
    ends = [revision.ended_at, *(end for _, state, end in sent if state in OVER)]
    return Facts(
        state=revision.state,
        held=revision.study.is_held,
        delivered=sum(state == DELIVERED for state in states.values()),
        undelivered=sum(states.get(one) not in OVER for one in {*bound, *states}),
        ended_at=max((end for end in ends if end is not None), default=None),
        committed_until=committed_until,
        coming_home=int(is_coming_home),
        unproven=revision.released_at is not None and not revision.evidence,
    )


def _bound(numbers: list[int]) -> Mapping[int, set[int]]:
    found: dict[int, set[int]] = {}
    rows = Revision.destinations.through.objects.filter(revision_id__in=numbers)
    for revision_id, destination_id in rows.values_list("revision_id", "destination_id"):
        found.setdefault(revision_id, set()).add(destination_id)
    return found


def _sent(numbers: list[int]) -> Mapping[int, list[Sent]]:
    found: dict[int, list[Sent]] = {}
    rows = Delivery.objects.filter(revision_id__in=numbers)
    columns = rows.values_list("revision_id", "destination_id", "state", "finished_at")
    for revision_id, destination_id, state, end in columns:
        found.setdefault(revision_id, []).append((destination_id, state, end))
    return found


def _terms(numbers: list[int]) -> Mapping[int, datetime]:
    rows = Instance.objects.filter(revision_id__in=numbers).exclude(committed_until=None).order_by()
    return dict(rows.values_list("revision_id").annotate(last=Max("committed_until")))


def _homeward(studies: Collection[Study]) -> set[Study]:
    rows = Homecoming.objects.filter(state__in=ON_THE_WAY, result__study_uid__in={uid for _, uid in studies})
    return set(rows.values_list("result__project_id", "result__study_uid"))
