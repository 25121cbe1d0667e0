"""Ask, say in counts what there is, bring study by study, and leave marks: what `pull` and `dispatch` share."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from signal import SIGTERM, default_int_handler, signal
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from proxy.audit import actions
from proxy.audit.record import record
from proxy.management.pulling import telling
from proxy.management.pulling.alone import alone
from proxy.management.pulling.options import Wanted, waiting_for
from proxy.management.pulling.telling import Progress
from proxy.network.peer import Lost, Peer
from proxy.retrieval.models import Pull
from proxy.retrieval.pulls import asking, book, running
from proxy.retrieval.pulls.answers import Listed
from proxy.retrieval.pulls.asking import Asked, Stopped
from proxy.retrieval.pulls.book import Order, Totals
from proxy.retrieval.pulls.lifecycle import ASKING
from proxy.retrieval.pulls.running import Brings

INTERRUPTED = "Stopped. What has arrived is safe, and the same call goes on from there."


@dataclass(slots=True)
class Work:
    """One call of a command. `verb` says what became of a study that is done: "here", "moved"."""

    wanted: Wanted
    order: Order
    peer: Peer
    verb: str
    action: str
    say: Callable[[str], None]
    progress: Progress = field(default_factory=Progress)

    def practice(self) -> None:
        asked = Asked(self.wanted.most)
        for _ in self._listed(asked):
            pass
        self._told(asked)
        self.say("Nothing was fetched: this was practice.")

    def do(self, brings: Brings) -> bool:
        """Whether all of it is there."""
        digest = book.digest_of(self.order, self.wanted.selections, self.wanted.most)
        with alone(self.wanted.node.pk):
            if self.wanted.anew:
                book.dropped(digest, timezone.now())
            pull = book.opened(self.order, digest, timezone.now())
            self._asked(pull)
            totals = self._brought(pull, brings)
        for line in telling.outcome(pull, totals, self.verb):
            self.say(line)
        return totals.fetched == totals.studies

    def _asked(self, pull: Pull) -> None:
        if pull.state != ASKING:
            totals = book.totals_of(pull)
            self.say(
                f"Going on with what was begun: {totals.fetched} of {totals.studies} studies are {self.verb}."
            )
            return
        waiting_for(self.wanted.window, self.say)()
        asked = Asked(self.wanted.most)
        book.listed(pull, self._listed(asked))
        book.asked(pull)
        self._told(asked)

    def _listed(self, asked: Asked) -> Iterator[Listed]:
        try:
            yield from asking.studies(self.peer, self.wanted.selections, asked)
        except (Lost, Stopped) as trouble:
            raise CommandError(str(trouble)) from None

    def _told(self, asked: Asked) -> None:
        for line in telling.answered(self.wanted.node.name, asked):
            self.say(line)
        detail = {"studies": asked.studies, "images": asked.images, "practice": self.wanted.practice}
        self._mark(actions.IMAGES_ASKED_FOR, detail)

    def _brought(self, pull: Pull, brings: Brings) -> Totals:
        self.progress.of(book.totals_of(pull).waiting)
        stopped = ""
        try:
            running.run(pull, brings, waiting_for(self.wanted.window, self.say), self.progress.study)
        except Stopped as why:
            stopped = str(why)
        finally:
            self.progress.end()
            totals = self._closed(pull)
        if stopped:
            self.say(stopped)
        return totals

    def _closed(self, pull: Pull) -> Totals:
        totals = book.closed(pull, timezone.now())
        detail = {"pull": pull.pk, "studies": totals.fetched, "of": totals.studies, "images": totals.arrived}
        self._mark(self.action, detail)
        return totals

    def _mark(self, action: str, detail: dict[str, Any]) -> None:
        if self.order.to is not None:
            detail = detail | {"to": self.order.called_ae}
        record(action, actor=self.order.by, subject=f"node {self.wanted.node.name}", detail=detail)


@contextmanager
def ending_in_order(say: Callable[[str], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM leave nothing behind that the next call would not mend."""
    before = signal(SIGTERM, default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        say(INTERRUPTED)
        sys.exit(130)
    finally:
        signal(SIGTERM, before)
