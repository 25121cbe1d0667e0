"""One object on its way through a recipe, fed in pieces.

`Pass` follows it through four stages: header (buffered, tokenised), bulk (pixel data, passed through), trailer
(whatever follows them, buffered), done. The header is complete when pixel data start or `end()` says that nothing
more comes; then `facts` are known, `settle()` rewrites it, and `take()` gives out clean bytes.
Everything that cannot be parsed is Unreadable; anything unexpected becomes EngineFault: nothing passes by luck.
"""

from collections.abc import Mapping
from itertools import chain
from types import MappingProxyType
from typing import Final, NamedTuple

from proxy.deid import part10
from proxy.deid.beside import Digest
from proxy.deid.context import Context, Hold, Subject
from proxy.deid.deflated import Deflated
from proxy.deid.errors import EngineFault
from proxy.deid.facts import Facts
from proxy.deid.gates import DOUBLED, DRAWN, LATE, gates
from proxy.deid.intake import Intake
from proxy.deid.masking import Masking
from proxy.deid.outgoing import Outgoing
from proxy.deid.parts import Limits, Part, fail_closed
from proxy.deid.report import Report
from proxy.deid.rewrite import Compiled, Rewriter, Rewritten
from proxy.deid.rules import PIXEL_DATA
from proxy.deid.sealing import seal_of
from proxy.deid.syntaxes import DEFLATED

ELEMENT: Final = 800
"""Bytes for one that changes: where it stands, what becomes of it, and the edits that the seal is made of."""


class Clean(NamedTuple):
    """What one object became."""

    meta: bytes
    rest: list[bytes | memoryview]
    seal: bytes
    report: Report
    holds: tuple[Hold, ...]
    values: Mapping[int, bytes]
    header_digest: bytes  # of the original's bytes in little endian; canonical.py looks through encodings
    bulk_digest: bytes
    transfer_syntax: str  # of `rest`; masked pixels may be encoded otherwise than they came

    def __repr__(self) -> str:
        return "Clean(...)"


class Pass:
    """Feed it, settle it, take what is ready, finish it. `Engine.begin` says what its arguments mean."""

    def __init__(
        self,
        compiled: Compiled,
        limits: Limits,
        transfer_syntax: str,
        *,
        masks: bool,
        file_head: bytes | None,
        copies: bool,
        digest: Digest | None,
    ) -> None:
        deflated = Deflated(limits.inflated) if transfer_syntax == DEFLATED else None
        self._compiled = compiled
        self._masks = masks
        self._masking = Masking(limits.masked, limits.reading)
        self._file_head = file_head
        self._outgoing = Outgoing(self._masking, transfer_syntax, deflated, copies)
        self._intake = Intake(compiled.plan, limits, transfer_syntax, deflated, self._outgoing)
        self._intake.digest = digest or self._intake.digest
        self._rewriter: Rewriter | None = None
        self._subject: Subject | None = None
        self._holds: tuple[Hold, ...] = ()
        self._ended = False

    # Bytes come in

    def feed(self, view: bytes | memoryview) -> None:
        """The next bytes of the data set; the view may die after the call."""
        if self._ended:
            raise EngineFault("fed after the end")
        with fail_closed:
            self._intake.feed(view)

    def end(self) -> None:
        """Nothing more comes: without pixel data, facts are known only now. finish() calls it too."""
        if self._ended:
            return
        self._ended = True
        with fail_closed:
            self._intake.end()

    # What the caller learns and decides

    @property
    def explicit(self) -> bool:
        return self._intake.explicit

    @property
    def originals(self) -> tuple[bytes, ...]:
        """Header and trailer as they came, in little endian; after end()."""
        return self._intake.originals

    @property
    def bulk_digest(self) -> bytes:
        return self._intake.digest.digest()

    @property
    def facts(self) -> Facts | None:
        return self._intake.facts

    def settle(self, subject: Subject) -> tuple[Hold, ...]:
        """De-identify the header; the gates that say no so far."""
        facts = self._intake.facts
        if facts is None or self._subject is not None:
            raise EngineFault("settled too early or twice")
        self._subject = subject
        with fail_closed:
            self._holds = self._gates(facts)
            self._outgoing.settle()
            header, scan = self._intake.header, self._intake.scan
            context = self._context(facts, subject)
            self._rewriter = Rewriter(self._compiled, context, header.original, scan.standing)
            self._holds += (DOUBLED,) if scan.is_doubled else ()
            self._holds += self._rewriter.look_for(scan)
            self._take_over(header, self._rewriter.header(scan))
        return self._holds

    def _gates(self, facts: Facts) -> tuple[Hold, ...]:
        """What they say, after masks had their word."""
        recipe, intake = self._compiled.recipe, self._intake
        holds = gates(facts, recipe)
        if recipe.gate("burned-in") != "accept" and intake.scan.draws_in_pixels:
            holds += (DRAWN,)
        if not self._masks:
            return holds
        return self._masking.decide(holds, facts, intake.scan, intake.syntax, recipe)

    def _context(self, facts: Facts, subject: Subject) -> Context:
        plan = self._masking.plan
        resolved = {} if plan else self._compiled.resolved(facts.sop_class_uid)
        charset = facts.charset.encode()
        context = Context(subject, facts.sop_class_uid, charset, self._intake.explicit, resolved)
        context.overwritten = {tag: (vr, value) for tag, vr, value in plan.header} if plan else {}
        return context

    def _take_over(self, part: Part, result: Rewritten) -> None:
        part.clean, part.splice = result.clean, result.splice
        self._holds += result.holds

    # Clean bytes go out

    @property
    def transfer_syntax(self) -> str:
        """Of the clean bytes, once it is settled."""
        return self._outgoing.syntax

    @property
    def values(self) -> Mapping[int, bytes]:
        """Clean top level values for the index, as far as they are known."""
        return MappingProxyType(self._rewriter.context.values if self._rewriter else {})

    @property
    def meta(self) -> bytes:
        """The new preamble and File Meta, known once it is settled."""
        facts = self._intake.facts
        if facts is None or self._rewriter is None:
            raise EngineFault("no file meta before it is settled")
        instance = self._rewriter.context.values.get(0x00080018, b"").decode("ascii", "replace")
        return part10.make_meta(facts.sop_class_uid, instance, self.transfer_syntax)

    def forget(self) -> None:
        """Let go of pixel data that nobody will take."""
        self._outgoing.forget()

    @property
    def weight(self) -> int:
        """About how many bytes of memory this image costs until its end: header and trailer are there as they came,
        clean, and for the seal, with each element that changes; pixels only where they are masked, before and after."""
        masked = self._outgoing.size if self._masking.plan else 0
        changes = ELEMENT * len(self._intake.scan.tokens)
        return 4 * (self._intake.header.size + self._intake.trailer.size) + changes + 3 * masked

    def take(self) -> list[bytes | memoryview]:
        """Clean bytes that are ready, each given once. Pixels to be masked are ready at the end."""
        if self._subject is None:
            raise EngineFault("taken before it was settled")
        return self._outgoing.take(self._intake.header.clean)

    def finish(self) -> Clean:
        """After the last feed. Raises Unreadable if the data set is truncated."""
        self.end()
        if self._rewriter is None:
            raise EngineFault("finished before it was settled")
        with fail_closed:
            hold = self._outgoing.mask()
            self._holds += (hold,) if hold else ()
            self._finish_trailer(self._rewriter)
            rest = self._outgoing.take_last(self._intake.header.clean)
            return self._result(rest, self._rewriter)

    def _finish_trailer(self, rewriter: Rewriter) -> None:
        part, tail = self._intake.trailer, self._intake.tail()
        if tail is None:
            return
        self._holds += self._masking.after(tail)
        self._holds += (LATE,) if tail.has_up_to(PIXEL_DATA) else ()
        self._take_over(part, rewriter.trailer(part.original, tail))
        self._outgoing.add_trailer(part.clean)

    def _result(self, rest: list[bytes | memoryview], rewriter: Rewriter) -> Clean:
        return Clean(
            meta=self.meta,
            rest=rest,
            seal=self._seal(),
            report=self._report(rewriter),
            holds=self._holds,
            values=self.values,
            header_digest=self._intake.header_digest,
            bulk_digest=self.bulk_digest,
            transfer_syntax=self.transfer_syntax,
        )

    def _seal(self) -> bytes:
        return seal_of(self._intake, self._outgoing, self._file_head)

    def _report(self, rewriter: Rewriter) -> Report:
        recipe, plan = self._compiled.recipe, self._masking.plan
        splices = [part.splice for part in (self._intake.header, self._intake.trailer) if part.splice]
        return Report(
            recipe.name,
            recipe.edition,
            self._compiled.options,
            tuple(chain.from_iterable(splice.log for splice in splices)),
            tuple(chain.from_iterable(splice.dropped for splice in splices)),
            tuple(hold.code for hold in self._holds),
            hunted=rewriter.context.cuts,
            codes=rewriter.codes,
            masked=plan.entry if plan and not self._holds else "",
        )  # fmt: skip
