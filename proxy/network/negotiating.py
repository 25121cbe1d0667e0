"""Presentation contexts, from the bytes of a request to the bytes of its answer.

pynetdicom looks at a UID with regular expressions each time it changes hands, and makes some fifteen objects of each
context: an association that proposes 128 of them, as storescu does, cost 10 ms of CPU before its first image. So they
are taken out of a request before pynetdicom decodes the rest of it, and answered in the acceptance just before it
leaves. The rest of negotiation is pynetdicom's, which sees a request that proposes nothing.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pynetdicom.pdu_items import PDUItem
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext, build_context

from proxy.network.contexts import IMPLICIT_LITTLE, MOST_CONTEXTS, VERIFICATION, taken_syntaxes
from proxy.network.messages import Malformed

ACCEPTED, NO_SUCH_CLASS, NO_SUCH_SYNTAX = 0, 3, 4
"""Results of PS3.8 Table 9-18."""

FIXED: Final = 74
"""Bytes of a request before its items (PS3.8 Table 9-11)."""
MOST_SYNTAXES: Final = 64 * MOST_CONTEXTS
CONTEXT, ABSTRACT, TRANSFER = 0x20, 0x30, 0x40
_ITEM = struct.Struct(">BxH")
_ANSWER = struct.Struct(">BxHBxBxBxH")


@dataclass(frozen=True, slots=True)
class Proposal:
    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    context_id: int
    result: int
    abstract_syntax: str
    transfer_syntax: str  # means nothing unless accepted (PS3.8 9.3.3.2)


def taken_out(request: bytes) -> tuple[tuple[Proposal, ...], bytes]:
    """What an A-ASSOCIATE-RQ proposes, and the request without that. Raises Malformed.

    Whoever proposes more than context ids can name is not read to the end: it costs a stranger nothing to say.
    """
    rest, proposals, syntaxes = [request[:FIXED]], list[Proposal](), 0
    for kind, start, end in _items(request, FIXED, len(request)):
        if kind != CONTEXT:
            rest.append(request[start - _ITEM.size : end])
            continue
        proposals.append(_proposal(request, start, end))
        syntaxes += len(proposals[-1].transfer_syntaxes)
        if len(proposals) > MOST_CONTEXTS or syntaxes > MOST_SYNTAXES:
            raise Malformed("an association request proposes more than its context ids can name")
    body = b"".join(rest)
    return tuple(proposals), body[:2] + (len(body) - 6).to_bytes(4, "big") + body[6:]


def _items(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Kind of each item, and from where to where its value lies."""
    while at < end:
        if end - at < _ITEM.size:
            raise Malformed("an item of an association request is cut off")
        kind, length = _ITEM.unpack_from(data, at)
        start, at = at + _ITEM.size, at + _ITEM.size + length
        if at > end:
            raise Malformed("an item of an association request is cut off")
        yield kind, start, at


def _proposal(request: bytes, start: int, end: int) -> Proposal:
    """PS3.8 Table 9-13: its id, three reserved bytes, one abstract syntax, one or more transfer syntaxes."""
    context_id = request[start] if start < end else 0
    if not context_id % 2:
        raise Malformed("a presentation context has no id that can be")
    abstract, syntaxes = "", []
    for kind, first, behind in _items(request, min(start + 4, end), end):
        if kind == TRANSFER:
            syntaxes.append(_uid(request[first:behind]))
        elif kind == ABSTRACT:
            abstract = _uid(request[first:behind])
    if not syntaxes:
        raise Malformed("a presentation context names no transfer syntax")
    return Proposal(context_id, abstract, tuple(syntaxes))


def _uid(value: bytes) -> str:
    """Some senders pad. What is no UID is none that we know, so nothing more is checked."""
    return value.decode("latin-1").strip(" \0")


def answers(proposals: Iterable[Proposal], accepted: frozenset[str]) -> tuple[Answer, ...]:
    """The first transfer syntax that we know, for each class that we take in, and always for an echo.

    A peer names first what it would rather send, and choosing that spares it a conversion.
    """
    return tuple(_answer(proposal, accepted) for proposal in proposals)


def _answer(proposal: Proposal, accepted: frozenset[str]) -> Answer:
    context_id, abstract = proposal.context_id, proposal.abstract_syntax
    if abstract not in accepted and abstract != VERIFICATION:
        return Answer(context_id, NO_SUCH_CLASS, abstract, IMPLICIT_LITTLE)
    known = taken_syntaxes(abstract)
    for syntax in proposal.transfer_syntaxes:
        if syntax in known:
            return Answer(context_id, ACCEPTED, abstract, syntax)
    return Answer(context_id, NO_SUCH_SYNTAX, abstract, IMPLICIT_LITTLE)


@dataclass(frozen=True, slots=True)
class Roles:
    """What the requestor may be in a service (PS3.7 D.3.3.4)."""

    scu: bool
    scp: bool

    def __bool__(self) -> bool:
        return self.scu or self.scp


def agreed(proposed: Roles, allowed: Roles) -> Roles:
    return Roles(proposed.scu and allowed.scu, proposed.scp and allowed.scp)


def selection(sop_class: str, roles: Roles) -> SCP_SCU_RoleSelectionNegotiation:
    item = SCP_SCU_RoleSelectionNegotiation()
    item.sop_class_uid, item.scu_role, item.scp_role = sop_class, roles.scu, roles.scp
    return item


def standing(given: Iterable[Answer]) -> dict[int, PresentationContext]:
    """What an association goes on with, as pynetdicom keeps it."""
    return {one.context_id: _context(one) for one in given if one.result == ACCEPTED}


@lru_cache(maxsize=4096)
def _context(answer: Answer) -> PresentationContext:
    """Shared by all associations, and never changed."""
    context = build_context(answer.abstract_syntax, [answer.transfer_syntax])
    context.context_id, context.result = answer.context_id, answer.result
    context._as_scp, context._as_scu = True, False
    return context


class Items(PDUItem):  # type: ignore[misc]
    """All answers, as one item of pynetdicom's acceptance."""

    def __init__(self, given: Sequence[Answer]) -> None:
        self._encoded = b"".join(map(_encoded, given))

    def encode(self) -> bytes:
        return self._encoded

    def __len__(self) -> int:
        return len(self._encoded)


def _encoded(answer: Answer) -> bytes:
    """PS3.8 Table 9-18."""
    syntax = answer.transfer_syntax.encode("ascii")
    whole, own = len(syntax) + 8, len(syntax)
    return _ANSWER.pack(0x21, whole, answer.context_id, answer.result, TRANSFER, own) + syntax
