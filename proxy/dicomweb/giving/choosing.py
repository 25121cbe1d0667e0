"""Which images an address means, for whoever asks (PS3.18 10.4.1.1): the choice that C-GET makes, and its marks."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

from django.db.models import Count, QuerySet, Sum
from pydicom.uid import UID

from proxy.api.problems import Problem
from proxy.audit import actions
from proxy.audit.record import record
from proxy.dicomweb.askers import Asker
from proxy.dicomweb.refusing import NOT_NOW
from proxy.network.giving import IMAGE, KEYS, SERIES, STUDY, Offer, Tally, Wish
from proxy.retrieval import images
from proxy.retrieval.views import View
from proxy.studies.models import Instance

LEVELS: Final = {"study": STUDY, "series": SERIES, "instance": IMAGE}
"""From what the address names to its level, from the top."""
NOTHING: Final = "There is nothing of that name, or nothing that you may see."


@dataclass(frozen=True, slots=True)
class Chosen:
    """At least one image. `rows` in no order; `offers` in that of a reader."""

    asker: Asker
    view: View
    level: str
    rows: "QuerySet[Instance]"

    def offers(self) -> Iterator[Offer]:
        return images.offers(self.view, self.rows)

    @contextmanager
    def one(self) -> Iterator[Offer]:
        """Of a choice of one. Raises the 404 of an image that has gone since it was chosen."""
        with closing(cast("Generator[Offer, None, None]", self.offers())) as offers:
            offer = next(offers, None)
            if offer is None:
                raise Problem(404, "not-found", NOTHING)
            yield offer

    def kinds(self) -> list[tuple[str, int, int]]:
        """Transfer syntaxes of the stored files, how many there are of each, and their bytes."""
        rows: Any = self.rows.order_by().values_list("transfer_syntax")
        return list(rows.annotate(Count("pk"), Sum("size")))

    def representative(self) -> "Chosen":
        """The image in the middle, of those that have pixels where it is known which do."""
        drawable = self.rows.exclude(pixel_rows="")
        rows = drawable if drawable.exists() else self.rows
        middle = rows.count() // 2
        ordered = rows.order_by("revision__study_id", "series_id", "ordinal", "pk")
        found = ordered.values_list("pk", flat=True)[middle : middle + 1]
        return Chosen(self.asker, self.view, IMAGE, self.rows.filter(pk__in=list(found)))

    def telling(self, tally: Tally) -> Callable[[], None]:
        """What leaves the same mark as a C-GET."""

        def tell() -> None:
            given = {
                "level": self.level,
                "given": tally.completed,
                "failed": tally.failed,
                "over": "dicomweb",
            }
            purpose = self.view.grant.purpose if self.view.grant else ""
            record(actions.IMAGES_GIVEN, actor=self.asker.name, purpose=purpose, detail=given)

        return tell


def chosen(asker: Asker, **named: str) -> Chosen:
    """Raises the 404 of what is not there for them."""
    if asker.view is None:
        raise Problem(403, "no-right", NOT_NOW)
    level = [LEVELS[one] for one in LEVELS if one in named][-1]
    if not all(UID(one).is_valid for one in named.values()):
        raise Problem(400, "malformed", "A UID of the address is none.")
    wish = Wish(level, {KEYS[LEVELS[one]]: (value,) for one, value in named.items()})
    rows = images.chosen(asker.view, wish)
    if not rows.exists():
        raise Problem(404, "not-found", NOTHING)
    return Chosen(asker, asker.view, level, rows)
