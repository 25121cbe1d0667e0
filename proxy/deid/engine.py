"""The engine: encoded bytes in, clean encoded bytes, a seal and a report out; fed in pieces.

`Pass` follows one object through four stages: header (buffered, tokenised), bulk (pixel data, passed through),
trailer (whatever follows them, buffered), done. The header is complete when pixel data start or `end()` says
that nothing more comes; then `facts` are known, `settle()` rewrites it, and `take()` gives out clean bytes.
Everything that cannot be parsed is Unreadable; anything unexpected becomes EngineFault: nothing passes by luck.
"""

import hashlib
from collections.abc import Callable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Final, NamedTuple

from proxy.deid import bigendian, intact, part10, seal
from proxy.deid.beside import Digest
from proxy.deid.bulk import Bulk
from proxy.deid.context import Context, Hold, Subject
from proxy.deid.custom import Function
from proxy.deid.deflated import Deflated
from proxy.deid.errors import EngineFault, TooLarge, Unreadable
from proxy.deid.facts import Facts, gather
from proxy.deid.fingerprint import fingerprint
from proxy.deid.gates import gates
from proxy.deid.masking import Masking
from proxy.deid.parts import Limits, Part, fail_closed
from proxy.deid.recipe import Recipe
from proxy.deid.report import Report
from proxy.deid.rewrite import Compiled, Rewriter, Rewritten
from proxy.deid.stream import More, Scan

IMPLICIT: Final = "1.2.840.10008.1.2"
BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
_FIRST_LOOK: Final = 1 << 16


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


class Engine:
    """A compiled recipe. Immutable; any number of threads may begin passes."""

    def __init__(
        self, recipe: Recipe, limits: Limits | None = None, functions: Mapping[int, Function] | None = None
    ) -> None:
        self.recipe = recipe
        self.limits = limits or Limits()
        self.compiled = Compiled(recipe, functions)
        self.fingerprint = fingerprint(recipe)

    def begin(
        self,
        transfer_syntax: str,
        masks: bool = True,
        file_head: bytes | None = None,
        copies: bool = True,
        digest: Digest | None = None,
    ) -> "Pass":
        """masks: False where a person has looked at the image, so that its pixels pass as they are.
        file_head: preamble and File Meta of the file that the data set comes from (b"" if it had none); sealed.
        copies: False where what was fed stays as it is until what take() gave out was used.
        digest: of the pixel data; SHA-256, made here unless the caller makes it beside.
        """
        work = Pass(self, transfer_syntax, masks, file_head)
        work._keeps = copies
        work._bulk_hash = digest or work._bulk_hash
        return work


class Pass:
    """One object on its way through. Feed it, settle it, take what is ready, finish it."""

    def __init__(
        self, engine: Engine, transfer_syntax: str, masks: bool = True, file_head: bytes | None = None
    ) -> None:
        self._engine = engine
        self._masks = masks
        self._masking = Masking(engine.limits.masked, engine.limits.reading)
        self._file_head = file_head
        self._syntax = transfer_syntax
        self._explicit = transfer_syntax != IMPLICIT
        self._big = transfer_syntax == BIG_ENDIAN
        self._wide = 12 if self._explicit else 8  # the head of the pixel data element
        self._deflated = Deflated(engine.limits.inflated) if transfer_syntax == DEFLATED else None
        self._header, self._trailer = Part(), Part()
        self._scan = Scan(engine.compiled.plan, self._explicit)
        self._tail_scan: Scan | None = None
        self._facts: Facts | None = None
        self._bulk: Bulk | None = None
        self._bulk_size = 0
        self._bulk_hash: Digest = hashlib.sha256()
        self._mac = None if self._big else intact.begun()  # of what goes out
        self._swaps = False  # 16 bit words in big endian
        self._odd = b""
        self._ready: list[bytes | memoryview] = []
        self._rewriter: Rewriter | None = None
        self._subject: Subject | None = None
        self._holds: tuple[Hold, ...] = ()
        self._ended = False
        self._header_given = False
        self._masked = False
        self._keeps = True  # copy bulk bytes, because views live only during feed

    # Bytes come in

    def feed(self, view: bytes | memoryview) -> None:
        """The next bytes of the data set; the view may die after the call."""
        if self._ended:
            raise EngineFault("fed after the end")
        with fail_closed:
            if self._deflated is None:
                self._accept(memoryview(view))
                return
            for piece in self._deflated.inflated(view):
                self._accept(piece)

    def _accept(self, view: memoryview) -> None:
        while view:
            if self._bulk is None:
                view = self._more_header(view)
            elif not self._bulk.done:
                view = self._pass_bulk(view)
            else:
                self._more(self._trailer, view)
                return

    def _more(self, part: Part, view: memoryview) -> None:
        part.add(view)
        if part.size > self._engine.limits.header:
            raise TooLarge("the header is larger than the limit")

    def _more_header(self, view: memoryview) -> memoryview:
        """Buffer and look for pixel data; looks again only when there is twice (a large header: four times) as much."""
        part = self._header
        step = view[: max(_FIRST_LOOK, 3 * part.size)]
        self._more(part, step)
        rest = view[len(step) :]
        if part.size >= part.looked * (2 if part.looked < _FIRST_LOOK else 4):
            part.looked = part.size
            try:
                found = self._look()
            except More:
                return rest
            if found:
                self._start_bulk()
        return rest

    def _looked_at_all(self) -> bool:
        """Whether the last look saw everything, and all of it whole."""
        part = self._header
        return 0 < part.size == part.looked == len(part.original)

    def _look(self) -> bool:
        """Tokenise what is there; True if pixel data start in it."""
        part, scan = self._header, self._scan
        raw = part.raw()
        if self._big:
            turned, end = bigendian.turn(raw, True)
            scan.run(turned)
            scan.bulk_at = end if end < len(raw) else -1
        else:
            scan.run(raw)
        part.original = scan.buf
        if scan.bulk_at < 0:
            return False
        if len(raw) < scan.bulk_at + self._wide:
            part.looked = 0
            raise More(scan.bulk_at)
        return True

    def _start_bulk(self) -> None:
        """The header is complete: pixel data start inside what was buffered."""
        part, at = self._header, self._scan.bulk_at
        raw, part.pieces = part.raw(), []
        wide = self._wide
        length = int.from_bytes(raw[at + wide - 4 : at + wide], "big" if self._big else "little")
        self._bulk = Bulk(length)
        self._swaps = self._big and raw[at + 4 : at + 6] == b"OW"
        part.original = self._scan.buf = part.original[:at]
        self._know()
        self._masking.head = raw[at : at + wide]
        self._emit(self._masking.head)
        self._accept(memoryview(raw)[at + wide :])

    def _pass_bulk(self, view: memoryview) -> memoryview:
        bulk = self._bulk
        assert bulk is not None  # noqa: S101 - for mypy
        used = bulk.take(view)
        piece = view[:used]
        self._digest_bulk(piece)
        self._emit(bytes(piece) if self._keeps or self._masking.plan else piece)
        return view[used:]

    def _digest_bulk(self, piece: memoryview) -> None:
        """Of native pixels as little endian has them, so that one image has one digest in every syntax."""
        if self._swaps:
            data = self._odd + piece
            whole = len(data) // 2 * 2
            self._bulk_hash.update(bigendian.swapped(bytes(data[:whole]), 2))
            self._odd = bytes(data[whole:])
        else:
            self._bulk_hash.update(piece)

    def _emit(self, piece: bytes | memoryview) -> None:
        self._bulk_size += len(piece)
        self._masking.bound(self._bulk_size)
        self._ready.append(piece)

    def _know(self) -> None:
        self._facts = gather(self._scan.buf, self._scan.standing)

    # What the caller learns and decides

    def end(self) -> None:
        """Nothing more comes: without pixel data, facts are known only now. finish() calls it too."""
        if self._ended:
            return
        self._ended = True
        with fail_closed:
            if self._deflated and not self._deflated.is_whole:
                raise Unreadable("the deflated data set ends early")
            if self._bulk is None:
                if not self._looked_at_all() and self._look():
                    self._start_bulk()
                else:
                    self._know()
            if self._bulk is not None and not self._bulk.done:
                raise Unreadable("the data set ends inside the pixel data")

    @property
    def explicit(self) -> bool:
        return self._explicit

    @property
    def originals(self) -> tuple[bytes, ...]:
        """Header and trailer as they came, in little endian; after end()."""
        if self._trailer.size:
            self._trailer.original = self._turned(self._trailer.raw())
        return self._header.original, self._trailer.original

    @property
    def bulk_digest(self) -> bytes:
        return self._bulk_hash.digest()

    @property
    def facts(self) -> Facts | None:
        return self._facts

    def settle(self, subject: Subject) -> tuple[Hold, ...]:
        """De-identify the header; the gates that say no so far."""
        facts = self._facts
        if facts is None or self._subject is not None:
            raise EngineFault("settled too early or twice")
        self._subject = subject
        with fail_closed:
            self._holds = self._gates(facts)
            plan = self._masking.plan
            if plan:
                self._ready = [bytes(piece) for piece in self._ready]  # they wait until the end
            resolved = {} if plan else self._engine.compiled.resolved(facts.sop_class_uid)
            context = Context(subject, facts.sop_class_uid, facts.charset.encode(), self._explicit, resolved)
            context.overwritten = {tag: (vr, value) for tag, vr, value in plan.header} if plan else {}
            header = self._header
            self._rewriter = Rewriter(self._engine.compiled, context, header.original, self._scan.standing)
            self._holds += self._rewriter.look_for(self._scan)
            self._take_over(header, self._rewriter.header(self._scan))
        return self._holds

    def _gates(self, facts: Facts) -> tuple[Hold, ...]:
        """What they say, after masks had their word."""
        recipe = self._engine.recipe
        holds = gates(facts, recipe)
        if not self._masks:
            return holds
        return self._masking.decide(holds, facts, self._scan, self._syntax, recipe)

    def _take_over(self, part: Part, result: Rewritten) -> None:
        part.clean, part.splice = result.clean, result.splice
        self._holds += result.holds

    # Clean bytes go out

    @property
    def transfer_syntax(self) -> str:
        """Of the clean bytes, once it is settled."""
        plan = self._masking.plan
        return plan.transfer_syntax if plan else self._syntax

    @property
    def values(self) -> Mapping[int, bytes]:
        """Clean top level values for the index, as far as they are known."""
        return MappingProxyType(self._rewriter.context.values if self._rewriter else {})

    @property
    def meta(self) -> bytes:
        """The new preamble and File Meta, known once it is settled."""
        if self._facts is None or self._rewriter is None:
            raise EngineFault("no file meta before it is settled")
        instance = self._rewriter.context.values.get(0x00080018, b"").decode("ascii", "replace")
        return part10.make_meta(self._facts.sop_class_uid, instance, self.transfer_syntax)

    def forget(self) -> None:
        """Let go of pixel data that nobody will take."""
        self._ready.clear()
        self._mac = None

    @property
    def weight(self) -> int:
        """About how many bytes of memory this image costs until its end: header and trailer are there as they came,
        clean, and for the seal; pixels only where they are masked, before and after."""
        masked = self._bulk_size if self._masking.plan else 0
        return 4 * (self._header.size + self._trailer.size) + 3 * masked

    def take(self) -> list[bytes | memoryview]:
        """Clean bytes that are ready, each given once. Pixels to be masked are ready at the end."""
        if self._subject is None:
            raise EngineFault("taken before it was settled")
        ready: list[bytes | memoryview] = []
        if self._masking.plan is None or self._masked:
            ready, self._ready = self._ready, ready
        if not self._header_given:
            ready.insert(0, self._outward(self._header.clean))
            self._header_given = True
        if self._mac is not None:
            for piece in ready:
                self._mac.update(piece)
        return self._deflated.packed(ready) if self._deflated else ready

    def _turned(self, raw: bytes) -> bytes:
        return bigendian.turn(raw, True)[0] if self._big else raw

    def _outward(self, clean: bytes) -> bytes:
        return bigendian.turn(clean, False)[0] if self._big else clean

    def finish(self) -> Clean:
        """After the last feed. Raises Unreadable if the data set is truncated."""
        self.end()
        if self._subject is None:
            raise EngineFault("finished before it was settled")
        with fail_closed:
            self._mask()
            self._finish_trailer()
            rest = self.take()
            if self._deflated:
                rest.append(self._deflated.rest())
            return self._result(rest)

    def _mask(self) -> None:
        """Nothing of the pixels was given out before; what cannot be masked is held without them."""
        masking = self._masking
        if masking.plan is None:
            return
        element, self._ready = b"".join(self._ready), []
        hold = masking.finish(element)
        self._holds += (hold,) if hold else ()
        self._bulk_size = 0
        self._emit(masking.written)
        self._masked = True

    def _finish_trailer(self) -> None:
        part = self._trailer
        if not part.size:
            return
        part.original = self._turned(part.raw())
        self._tail_scan = Scan(self._engine.compiled.plan, self._explicit)
        self._tail_scan.run(part.original)
        if self._tail_scan.bulk_at >= 0:
            raise Unreadable("pixel data stand in the data set twice")
        self._holds += self._masking.after(self._tail_scan)
        assert self._rewriter is not None  # noqa: S101 - for mypy: it was settled
        self._take_over(part, self._rewriter.trailer(part.original, self._tail_scan))
        self._ready.append(self._outward(part.clean))

    def _result(self, rest: list[bytes | memoryview]) -> Clean:
        rewriter = self._rewriter
        assert rewriter is not None  # noqa: S101 - for mypy: it was settled
        values = rewriter.context.values
        return Clean(
            meta=self.meta,
            rest=rest,
            seal=self._seal(),
            report=self._report(),
            holds=self._holds,
            values=MappingProxyType(values),
            header_digest=self._header_digest(),
            bulk_digest=self.bulk_digest,
            transfer_syntax=self.transfer_syntax,
        )

    def _seal(self) -> bytes:
        head, tail, masking = self._header, self._trailer, self._masking
        base = len(head.clean) + self._bulk_size
        edits = head.splice.edits if head.splice else []
        parts: list[seal.Part] = [(head.original, edits, head.clean, 0)]
        if masking.plan:
            whole = (0, len(masking.written), 0, len(masking.element), None)
            parts.append((masking.element, [whole], masking.written, len(head.clean)))
        if tail.splice:
            parts.append((tail.original, tail.splice.edits, tail.clean, base))
        figures = seal.Figures(head.clean, base + len(tail.clean), *self._bulk_figures(), self._explicit)
        return seal.make(parts, figures, self._extras())

    def _bulk_figures(self) -> tuple[int, int, bytes]:
        """Of the clean pixel data: bytes before the value, bytes of the value, its digest."""
        if self._masking.plan:
            wide, written = self._masking.written_head, self._masking.written
            return wide, len(written) - wide, hashlib.sha256(memoryview(written)[wide:]).digest()
        wide = self._wide if self._bulk else 0
        return wide, self._bulk_size - wide, self._bulk_hash.digest()

    def _extras(self) -> dict[bytes, bytes | None]:
        charset = self._facts.charset if self._facts else ""
        changed = self.transfer_syntax != self._syntax
        return {
            seal.FILE_HEAD: self._file_head,
            seal.STREAM: self._deflated.digest if self._deflated else None,
            seal.BEHIND: (self._deflated.behind or None) if self._deflated else None,
            seal.SYNTAX: self._syntax.encode("ascii") if changed else None,
            seal.MAC: self._mac.sealed() if self._mac else None,
            seal.CHARSET: charset.encode("latin-1", "replace") or None,
        }

    def _report(self) -> Report:
        recipe = self._engine.recipe
        splices = [part.splice for part in (self._header, self._trailer) if part.splice]
        return Report(
            recipe.name,
            recipe.edition,
            self._engine.compiled.options,
            tuple(chain.from_iterable(splice.log for splice in splices)),
            tuple(chain.from_iterable(splice.dropped for splice in splices)),
            tuple(hold.code for hold in self._holds),
            hunted=self._rewriter.context.cuts if self._rewriter else 0,
            codes=self._rewriter.codes if self._rewriter else (),
            masked=self._masking.plan.entry if self._masking.plan and not self._holds else "",
        )  # fmt: skip

    def _header_digest(self) -> bytes:
        digest = hashlib.sha256(self._header.original)
        if self._trailer.original:
            digest.update(self._trailer.original)
        return digest.digest()


def deidentify(
    data: bytes | memoryview,
    transfer_syntax: str,
    engine: Engine,
    subject: Callable[[Facts], Subject],
    file_head: bytes | None = None,
) -> Clean:
    """In one go; `Clean.rest` holds all of it, with pixel data as views of `data`."""
    work = engine.begin(transfer_syntax, file_head=file_head, copies=False)
    work.feed(data)
    work.end()
    facts = work.facts
    if facts is None:
        raise EngineFault("no facts at the end")
    work.settle(subject(facts))
    return work.finish()
