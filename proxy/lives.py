"""A life is a table: in which state, what may happen, and where that leads.

Each room that has a life writes its table in its `lifecycle.py`; the docs draw their arrows from that
table, and the database refuses a state that is not in it. A move is one conditional update: winning it
means the row is yours, losing it means somebody was faster.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models import Q


@dataclass(frozen=True, slots=True)
class Life:
    """`moves` is event -> (states it may start from, state it leads to)."""

    first: str
    moves: Mapping[str, tuple[tuple[str, ...], str]]

    @property
    def states(self) -> tuple[str, ...]:
        seen = {self.first: None}
        for sources, target in self.moves.values():
            seen |= dict.fromkeys((*sources, target))
        return tuple(seen)

    @property
    def choices(self) -> list[tuple[str, str]]:
        return [(state, state) for state in self.states]

    def check(self, name: str) -> models.CheckConstraint:
        return models.CheckConstraint(condition=Q(state__in=list(self.states)), name=name)

    def arrows(self) -> list[tuple[str, str, str]]:
        """(from, event, to), for the docs."""
        return [(one, event, to) for event, (sources, to) in self.moves.items() for one in sources]

    def move(self, rows: "models.QuerySet[Any]", event: str, **changes: Any) -> int:
        """Move those rows that may make this move now; how many did.

        Behind a join PostgreSQL would not look at the state again after waiting for a faster mover.
        """
        if sum(used > 0 for used in rows.query.alias_refcount.values()) > 1:
            raise TypeError("a move looks at its own row: say what lies behind a join with Exists")
        sources, target = self.moves[event]
        return rows.filter(state__in=sources).update(state=target, **changes)
