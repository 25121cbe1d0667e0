"""What was asked and how far it got, kept so that a pull goes on after a crash; the vault keeps the UIDs meanwhile."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import Count, Sum

from proxy.retrieval.models import Pull, PullItem
from proxy.retrieval.pulls.answers import Listed
from proxy.retrieval.pulls.inventory import Target
from proxy.retrieval.pulls.lifecycle import ASKING, FETCHED, FETCHING, ITEM, PULL, SHORT, WAITING
from proxy.retrieval.pulls.selection import Selection
from proxy.vault import memos
from proxy.vault.keyring import current

PAGE: Final = 200
CONTEXT: Final = "pull"
BETWEEN: Final = "\x1f"
OPEN: Final = (ASKING, FETCHING, SHORT)


@dataclass(frozen=True, slots=True)
class Order:
    """Who shall bring what to whom; `to` is None for a pull to ourselves."""

    node: int
    called_ae: str
    by: str
    to: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a study."""

    said: int | None
    arrived: int
    left_out: int = 0
    why: str = ""  # empty if all of it is there


@dataclass(frozen=True, slots=True)
class Totals:
    studies: int
    fetched: int
    short: int
    waiting: int
    said: int
    arrived: int
    left_out: int


def digest_of(order: Order, selections: Iterable[Selection], most: int) -> str:
    """The same call has the same digest."""
    ring = current()
    text = ring.blind(0, f"pull:{order.node}:{order.called_ae}:{order.to}:{most}")
    for one in selections:
        text = ring.blind(0, f"{text}:{one.text}")
    return text


def opened(order: Order, digest: str, now: datetime) -> Pull:
    """The one that was begun and not finished, or a new one. What was only half asked is asked again."""
    found = Pull.objects.filter(digest=digest, state__in=OPEN).first()
    if found is None:
        return Pull.objects.create(
            node_id=order.node,
            to_id=order.to,
            called_ae=order.called_ae,
            digest=digest,
            by=order.by,
            asked_at=now,
        )
    if found.state == ASKING:
        _forget_items(found)
    else:
        with transaction.atomic():
            PULL.move(Pull.objects.filter(pk=found.pk), "again", ended_at=None)
            ITEM.move(PullItem.objects.filter(pull=found), "again")
        found.refresh_from_db()
    return found


def dropped(digest: str, now: datetime) -> None:
    """A person does not want the one that was begun to go on."""
    for pull in Pull.objects.filter(digest=digest, state__in=OPEN):
        drop(pull, now)


def drop(pull: Pull, now: datetime) -> bool:
    """False if it is over. The UIDs of its studies are not kept any longer."""
    if not PULL.move(Pull.objects.filter(pk=pull.pk), "drop", ended_at=now):
        return False
    _forget_memos(pull)
    return True


def _forget_memos(pull: Pull) -> None:
    while page := list(pull.items.filter(memo__isnull=False)[:PAGE]):
        with transaction.atomic():
            for item in page:
                _drop_memo(item)
            PullItem.objects.filter(pk__in=[item.pk for item in page]).update(memo=None)


def _forget_items(pull: Pull) -> None:
    while page := list(pull.items.all()[:PAGE]):
        with transaction.atomic():
            for item in page:
                _drop_memo(item)
            PullItem.objects.filter(pk__in=[item.pk for item in page]).delete()


def listed(pull: Pull, studies: Iterable[Listed]) -> None:
    """Write down each study once, however often it is listed."""
    page: list[Listed] = []
    for one in studies:
        page.append(one)
        if len(page) == PAGE:
            _write(pull, page)
            page = []
    _write(pull, page)


def _write(pull: Pull, page: Sequence[Listed]) -> None:
    ring = current()
    with transaction.atomic():
        rows = [
            PullItem(
                pull=pull,
                digest=ring.blind(0, f"pull:{pull.pk}:{one.study}"),
                memo=memos.keep(CONTEXT, _content(one)),
                said=one.images,
            )
            for one in page
        ]
        PullItem.objects.bulk_create(rows)


def asked(pull: Pull) -> None:
    PULL.move(Pull.objects.filter(pk=pull.pk), "answered")


def _content(one: Listed) -> bytes:
    return f"{one.study}{BETWEEN}{one.patient}".encode("utf-8", "surrogatepass")


def _target(content: bytes) -> Target:
    study, _, patient = content.decode("utf-8", "surrogatepass").partition(BETWEEN)
    return Target(study, patient)


def waiting(pull: Pull) -> Iterator[tuple[PullItem, Target]]:
    """Each study that is still to be brought."""
    last = 0
    while item := pull.items.filter(state=WAITING, pk__gt=last, memo__isnull=False).order_by("pk").first():
        last = item.pk
        yield item, _target(memos.read(item.memo or 0, CONTEXT))


def ended(item: PullItem, result: Result) -> None:
    """All there, and its UID is not needed any more; or short, and it stays for the next time."""
    facts = {
        "said": result.said,
        "arrived": result.arrived,
        "left_out": result.left_out,
        "reason": result.why[:255],
    }
    mine = PullItem.objects.filter(pk=item.pk)
    with transaction.atomic():
        if result.why:
            ITEM.move(mine, "fall short", **facts)
        elif ITEM.move(mine, "fetched", memo=None, **facts):
            _drop_memo(item)


def _drop_memo(item: PullItem) -> None:
    if item.memo is not None:
        memos.drop(item.memo)


def closed(pull: Pull, now: datetime) -> Totals:
    """The end of a run: finished if every study is there. One that was left on the way stays open."""
    totals = totals_of(pull)
    mine = Pull.objects.filter(pk=pull.pk)
    if totals.fetched == totals.studies:
        PULL.move(mine, "finish", ended_at=now)
    elif not totals.waiting:
        PULL.move(mine, "fall short", ended_at=now)
    return totals


def totals_of(pull: Pull) -> Totals:
    rows = pull.items.order_by().values("state").annotate(count=Count("pk"))
    states = Counter({row["state"]: row["count"] for row in rows})
    sums = pull.items.aggregate(said=Sum("said"), arrived=Sum("arrived"), left_out=Sum("left_out"))
    return Totals(
        studies=states.total(),
        fetched=states[FETCHED],
        short=states[SHORT],
        waiting=states[WAITING],
        said=sums["said"] or 0,
        arrived=sums["arrived"] or 0,
        left_out=sums["left_out"] or 0,
    )


def reasons(pull: Pull) -> list[tuple[str, int]]:
    """Why studies fell short, the most frequent first."""
    rows = pull.items.exclude(reason="").order_by().values_list("reason").annotate(count=Count("pk"))
    return sorted(rows, key=lambda row: -row[1])
