"""The sub-operations of a retrieval: each image offered is stored at the target, or fails with its own reason."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from proxy.network.carrier import Carrier, Named
from proxy.network.contexts import PLAIN_SYNTAXES, proposals, rounds
from proxy.network.giving import Offer, Restored, Tally, Withheld
from proxy.network.inbox import place
from proxy.network.line import Line
from proxy.network.messages import Mover
from proxy.network.part10 import NotPart10, Unconvertible, reencoded, reencoded_data
from proxy.network.peer import Lost, Peer
from proxy.network.statuses import Meaning, explain
from proxy.network.turns import Early, Turn, turns

logger = logging.getLogger(__name__)

Pair = tuple[str, str]
MOST_FAILURES = 10_000  # UIDs told of; the counts are always whole


class Target(Protocol):
    def carried(self, offers: Iterator[Offer], tally: Tally, failures: list[str]) -> Iterator[None]:
        """Carry one after the other, keep `tally` and `failures`, and stop after each for whoever listens."""
        ...

    def close(self) -> None: ...


class Giving:
    """Over the association on which it was asked (C-GET)."""

    def __init__(self, carrier: Carrier, contexts: Mapping[Pair, int]) -> None:
        self._carrier, self._contexts = carrier, contexts

    def carried(self, offers: Iterator[Offer], tally: Tally, failures: list[str]) -> Iterator[None]:
        """Ends early when the association is lost; the peer knows then."""
        for turn in turns(offers):
            try:
                _carry(self._carrier, self._contexts, turn, None, tally, failures)
            except Lost:
                return
            yield

    def close(self) -> None:
        self._carrier.close()


class Bringing:
    """Over associations of our own to a third party (C-MOVE). One that is lost costs the image it was at."""

    def __init__(self, peer: Peer, pairs: Sequence[Pair], mover: Mover) -> None:
        self._peer, self._mover = peer, mover
        self._groups = rounds(pairs)
        self._line: tuple[int, Line] | None = None
        self._unreachable = False

    def carried(self, offers: Iterator[Offer], tally: Tally, failures: list[str]) -> Iterator[None]:
        for turn in turns(offers):
            line = self._line_for((turn.offer.sop_class, turn.offer.transfer_syntax))
            if line is None:
                _failed(turn.offer.sop_instance, tally, failures)
            else:
                self._carry(line, turn, tally, failures)
            yield

    def _carry(self, line: Line, turn: Turn, tally: Tally, failures: list[str]) -> None:
        try:
            _carry(line.carrier, line.accepted, turn, self._mover, tally, failures)
        except Lost:
            _failed(turn.offer.sop_instance, tally, failures)
            self.close()

    def _line_for(self, pair: Pair) -> Line | None:
        """The association that proposes this pair, opened when it is first needed."""
        number = next((at for at, group in enumerate(self._groups) if pair in group), None)
        if number is None or self._unreachable:
            return None
        if self._line is None or self._line[0] != number:
            self.close()
            self._line = self._opened(number)
        return self._line[1] if self._line else None

    def _opened(self, number: int) -> tuple[int, Line] | None:
        try:
            return number, Line(self._peer, proposals(self._groups[number]))
        except Lost as lost:
            logger.warning("A C-MOVE brings nothing: %s", lost)
            self._unreachable = True
            return None

    def close(self) -> None:
        if self._line is not None:
            line, self._line = self._line[1], None
            line.close()


def _carry(
    carrier: Carrier,
    contexts: Mapping[Pair, int],
    turn: Turn,
    mover: Mover | None,
    tally: Tally,
    failures: list[str],
) -> None:
    """Raises Lost; an association that stopped in the middle of an image is lost, too."""
    uid = turn.offer.sop_instance
    try:
        status = _stored(carrier, contexts, turn, mover)
    except (Withheld, OSError, NotPart10, Unconvertible) as trouble:
        logger.warning("An image is not given: %s.", place(trouble))
        if carrier.midway:
            carrier.abort()
            raise Lost("An image could not be read to its end.") from None
        _failed(uid, tally, failures)
        return
    _count(status, uid, tally, failures)


def _count(status: int | None, sop_instance: str, tally: Tally, failures: list[str]) -> None:
    if status == 0:
        tally.completed += 1
        tally.remaining -= 1
    elif status is not None and explain(status).meaning is Meaning.STORED:
        tally.warned += 1
        tally.remaining -= 1
    else:
        _failed(sop_instance, tally, failures)


def _failed(sop_instance: str, tally: Tally, failures: list[str]) -> None:
    tally.failed += 1
    tally.remaining -= 1
    if len(failures) < MOST_FAILURES:
        failures.append(sop_instance)


def _stored(carrier: Carrier, contexts: Mapping[Pair, int], turn: Turn, mover: Mover | None) -> int | None:
    """The status, or None where the peer takes this class in no transfer syntax that we can make."""
    if turn.restore is not None:
        return _restored(carrier, contexts, turn.restore(), turn.next_restore, mover)
    offer = turn.offer
    exact = contexts.get((offer.sop_class, offer.transfer_syntax))
    if exact is not None:
        named = Named(exact, offer.sop_class, offer.sop_instance, mover)
        return carrier.store_file(named, offer.path, turn.next_file)
    for syntax in PLAIN_SYNTAXES:
        plain = contexts.get((offer.sop_class, syntax))
        if plain is not None:
            named = Named(plain, offer.sop_class, offer.sop_instance, mover)
            return carrier.store_pieces(named, [reencoded(offer.path, syntax)])
    return None


def _restored(
    carrier: Carrier,
    contexts: Mapping[Pair, int],
    image: Restored,
    following: Early | None,
    mover: Mover | None,
) -> int | None:
    meanwhile = following.begin if following is not None else None
    exact = contexts.get((image.sop_class, image.transfer_syntax))
    if exact is not None:
        named = Named(exact, image.sop_class, image.sop_instance, mover)
        return carrier.store_pieces(named, image.pieces, meanwhile)
    for syntax in PLAIN_SYNTAXES:
        plain = contexts.get((image.sop_class, syntax))
        if plain is not None:
            data = reencoded_data(b"".join(image.pieces), image.transfer_syntax, syntax)
            named = Named(plain, image.sop_class, image.sop_instance, mover)
            return carrier.store_pieces(named, [data], meanwhile)
    return None
