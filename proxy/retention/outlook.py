"""Until when do studies stay, and why? For whoever asks, on the console and on the web page."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone

from proxy.retention.facts import facts_of, policy_of
from proxy.studies.models import Revision, Study
from proxy.studies.retention import Go, Keep, Verdict, decide

NOW = "Its retention has passed; its files go with the next round of `work`, at the latest in a day."


@dataclass(slots=True)
class Outlook:
    """A count of what goes and of what stays for which reason."""

    revisions: int = 0
    images: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    firsts: dict[str, datetime] = field(default_factory=dict)

    def add(self, revision: Revision, verdict: Verdict) -> None:
        if isinstance(verdict, Go):
            self.revisions += 1
            self.images += revision.total
        else:
            self._stays(verdict)

    def _stays(self, keep: Keep) -> None:
        self.reasons[keep.reason] = self.reasons.get(keep.reason, 0) + 1
        if keep.until is not None:
            self.firsts[keep.reason] = min(keep.until, self.firsts.get(keep.reason, keep.until))

    def going(self) -> str:
        return f"{number(self.revisions, 'revision')} with {number(self.images, 'image')}"

    def staying(self) -> Iterator[str]:
        """A line for each reason, the commonest first."""
        for reason, count in sorted(self.reasons.items(), key=lambda one: (-one[1], one[0])):
            first = self.firsts.get(reason)
            when = f" The first may go on {at(first)}." if first else ""
            yield f"{number(count, 'revision')} stay{'s' if count == 1 else ''}: {reason}{when}"


def of_study(study: Study, now: datetime | None = None) -> Iterator[str]:
    """A sentence for each revision."""
    revisions = list(study.revisions.select_related("study").order_by("number"))
    facts = facts_of(revisions)
    for one in revisions:
        yield f"Revision {one.number}: {said(one, decide(facts[one.pk], policy_of(), now or timezone.now()))}"


def said(revision: Revision, verdict: Verdict) -> str:
    if revision.files_gone_at is not None:
        return f"Its files went on {at(revision.files_gone_at)}."
    if isinstance(verdict, Go):
        return NOW
    return f"{verdict.reason} It stays until {at(verdict.until)}." if verdict.until else verdict.reason


def at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def number(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
