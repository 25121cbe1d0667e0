"""The seal of one pass: what was removed or changed in header, pixels and trailer, and the clean object it is of."""

import hashlib

from proxy.deid import seal
from proxy.deid.intake import Intake
from proxy.deid.outgoing import Outgoing


def seal_of(intake: Intake, outgoing: Outgoing, file_head: bytes | None) -> bytes:
    """After all was taken. file_head: preamble and File Meta of the file that it came from."""
    head, tail, masking = intake.header, intake.trailer, outgoing.masking
    base = len(head.clean) + outgoing.size
    edits = head.splice.edits if head.splice else []
    parts: list[seal.Part] = [(head.original, edits, head.clean, 0)]
    if masking.plan:
        whole = (0, len(masking.written), 0, len(masking.element), None)
        parts.append((masking.element, [whole], masking.written, len(head.clean)))
    if tail.splice:
        parts.append((tail.original, tail.splice.edits, tail.clean, base))
    bulk = _bulk_figures(intake, outgoing)
    figures = seal.Figures(head.clean, base + len(tail.clean), *bulk, intake.explicit)
    return seal.make(parts, figures, _extras(intake, outgoing, file_head))


def _bulk_figures(intake: Intake, outgoing: Outgoing) -> tuple[int, int, bytes]:
    """Of the clean pixel data: bytes before the value, bytes of the value, its digest."""
    masking = outgoing.masking
    if masking.plan:
        wide, written = masking.written_head, masking.written
        return wide, len(written) - wide, hashlib.sha256(memoryview(written)[wide:]).digest()
    wide = intake.wide if intake.bulk else 0
    return wide, outgoing.size - wide, intake.digest.digest()


def _extras(intake: Intake, outgoing: Outgoing, file_head: bytes | None) -> dict[bytes, bytes | None]:
    charset = intake.facts.charset if intake.facts else ""
    changed = outgoing.syntax != intake.syntax
    deflated = intake.deflated
    return {
        seal.FILE_HEAD: file_head,
        seal.STREAM: deflated.digest if deflated else None,
        seal.BEHIND: (deflated.behind or None) if deflated else None,
        seal.SYNTAX: intake.syntax.encode("ascii") if changed else None,
        seal.MAC: outgoing.mac.sealed() if outgoing.mac else None,
        seal.CHARSET: charset.encode("latin-1", "replace") or None,
    }
