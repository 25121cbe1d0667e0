"""The ledger as a page: for every destination, day or study what came, what left, and that nothing is missing."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from proxy.books.balance import DAY, DESTINATION, DIVISIONS, STUDY, Posting, balance, postings
from proxy.web.admin.base import Admin

BACK: Final = {DAY: timedelta(days=30), STUDY: timedelta(days=7)}
MOST: Final = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address asks for; what cannot be read is as if it were not there."""

    by: str = DESTINATION
    since: date | None = None
    off: bool = False

    @classmethod
    def of(cls, request: HttpRequest, today: date) -> "Wanted":
        by = request.GET.get("by", "")
        by = by if by in DIVISIONS else DESTINATION
        since = _day(request.GET.get("since", "")) or (today - BACK[by] if by in BACK else None)
        return cls(by, since, request.GET.get("off") == "1")


def ledger_page(view: Admin, request: HttpRequest) -> HttpResponse:
    if not view.has_view_permission(request):
        raise PermissionDenied
    wanted = Wanted.of(request, datetime.now(UTC).date())
    lines = found(wanted)
    context = {
        **view.admin_site.each_context(request),
        "title": "Ledger",
        "wanted": wanted,
        "divisions": DIVISIONS,
        "lines": lines[:MOST],
        "more": max(0, len(lines) - MOST),
        "balanced": not any(one.line.difference for one in lines),
    }
    return TemplateResponse(request, "admin/ledger.html", context)


def found(wanted: Wanted) -> list[Posting]:
    """Those that are off first, then the latest."""
    if wanted.by == DESTINATION and wanted.since is None:
        return [Posting("", line) for line in balance() if line.difference or not wanted.off]
    made = postings(wanted.by, wanted.since, off_only=wanted.off)
    if wanted.by == DAY:
        made.sort(key=lambda one: str(one.about), reverse=True)
    return sorted(made, key=lambda one: not one.line.difference)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
