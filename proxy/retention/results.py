"""Results that are home go as images do: by the same policy, their file, and never their row.

By its row the same result is known when it is sent again, and found when another one refers to it. The row says
`expired_at` first, then the file goes, then the row says that it is gone: a kill in between leaves a file whose row
says who removes it. The file of somebody who was forgotten opens no more: it stays for nobody.
"""

from collections.abc import Iterator
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from proxy.audit.actions import RESULT_EXPIRED
from proxy.audit.record import record
from proxy.retention.facts import ON_THE_WAY
from proxy.retention.images import Going
from proxy.retention.pages import paged
from proxy.retrieval.home import keeping
from proxy.retrieval.home.lifecycle import DELIVERED
from proxy.retrieval.models import Homecoming, Result
from proxy.storage import files
from proxy.studies import lifecycle as studies
from proxy.studies.retention import Facts, Go, Policy, Verdict, decide
from proxy.vault.models import Person


def due(policy: Policy, now: datetime, going: Going, by: str, project: str = "") -> int:
    """How many files went; also those that a kill has left."""
    for result in waiting(policy, now, project):
        if not going():
            break
        _decide(result, policy, now, by)
    gone = 0
    for result in paged(Result.objects.filter(file_gone_at=None).exclude(expired_at=None)):
        if not going():
            break
        files.remove(keeping.folder() / result.path)
        gone += Result.objects.filter(pk=result.pk, file_gone_at=None).update(file_gone_at=now)
    return gone


def waiting(policy: Policy, now: datetime, project: str = "") -> Iterator[Result]:
    """Whose time has come."""
    mine = Homecoming.objects.filter(result=OuterRef("pk"))
    rows = Result.objects.filter(~Exists(mine.filter(state__in=ON_THE_WAY)), expired_at=None)
    if project:
        rows = rows.filter(project__name=project)
    ready = Q(Exists(_forgotten(OuterRef("project_id"), OuterRef("patient"))))
    if policy.by_itself:
        young = mine.filter(finished_at__gt=now - policy.keep_for)
        ready |= Q(Exists(mine.filter(state=DELIVERED)), ~Exists(young))
    return paged(rows.filter(ready))


def _decide(result: Result, policy: Policy, now: datetime, by: str) -> None:
    """Looked at once more: whoever sends it again waits for us here, or we for them."""
    with transaction.atomic():
        row = Result.objects.select_for_update(no_key=True).get(pk=result.pk)
        if row.expired_at is None and isinstance(_verdict(row, policy, now), Go):
            Result.objects.filter(pk=row.pk).update(expired_at=now)
            record(RESULT_EXPIRED, actor=by, subject=row.study_uid, detail={"result": row.uid})


def _verdict(result: Result, policy: Policy, now: datetime) -> Verdict:
    facts = facts_of(result)
    if not facts.undelivered and _forgotten(result.project_id, result.patient).exists():
        return Go(now)
    return decide(facts, policy, now)


def facts_of(result: Result) -> Facts:
    """As of a study's revision: what nobody has stays, and so does what is on its way."""
    rows = list(result.homecomings.values_list("state", "finished_at"))
    return Facts(
        state=studies.DELIVERED,
        delivered=sum(state == DELIVERED for state, _ in rows),
        undelivered=sum(state in ON_THE_WAY for state, _ in rows),
        ended_at=max((at for _, at in rows if at is not None), default=None),
    )


def _forgotten(project_id: int | OuterRef, pseudonym: str | OuterRef) -> "QuerySet[Person]":
    return Person.objects.filter(project_id=project_id, pseudonym=pseudonym).exclude(forgotten_at=None)
