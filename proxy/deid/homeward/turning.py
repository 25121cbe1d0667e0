"""A result becomes one of its patient again: UIDs and dates turned back, the study's level put in, our marks removed.

Its own new UIDs, pixels and findings stay as they came, byte for byte. Where a name needs characters that the result's
character set does not have, its text is written in UTF-8.
"""

import warnings
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from pydicom.charset import convert_encodings
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from proxy.deid.charsets import decode
from proxy.deid.dictionary import vr_of
from proxy.deid.homeward.acting import Homeward, is_plain
from proxy.deid.homeward.lookup import CHARSET, MUST_STAND, OUR_MARKS, STUDY_LEVEL, STUDY_UID, TEXTS
from proxy.deid.homeward.mentions import scanned, top_level
from proxy.deid.homeward.originals import Level, Originals
from proxy.deid.homeward.parts import Parts
from proxy.deid.parts import fail_closed
from proxy.deid.splice import Splice, make_element, position
from proxy.deid.stream import Scan

if TYPE_CHECKING:
    from proxy.deid.stream import Token

_UTF_8: Final = b"ISO_IR 192"


class Unfit(Exception):
    """This result cannot be restored; the sentence says why, without a value."""


def restored(parts: Parts, originals: Originals, level: Level, study_uid: str) -> bytes:
    """The data set, in the transfer syntax it came in. `study_uid` is the original's. Raises Unfit, DeidError."""
    scans = [scanned(part, parts.explicit) for part in (parts.header, parts.trailer)]
    standing = {token[0].tag: scans[0].buf[token[2] : token[3]] for token in top_level(scans[0])}
    context = Homeward(standing.get(CHARSET, b"").strip(b" \0"), parts.explicit)
    context.uids, context.dates = originals.uids, originals.dates
    context.elements = _elements(context, level, study_uid, scans)
    with fail_closed:
        header = _visited(scans[0], context, first=True)
        trailer = _visited(scans[1], context, first=False)
        return parts.written(header, trailer)


def _visited(scan: Scan, context: Homeward, *, first: bool) -> bytes:
    splice = Splice(scan, context)
    index, stand = 0, {token[0].tag for token in top_level(scan)}
    for tag in sorted(context.elements.keys() - stand) if first else ():
        at = position(scan, tag)
        stop = bisect_left(scan.tokens, at, key=lambda token: token[1])
        splice.visit(index, stop)
        splice.insert(at, context.elements[tag])
        index = stop
    splice.visit(index, len(scan.tokens))
    return splice.finish()


# --- what stands at the top level afterwards ------------------------------------------------------


def _elements(context: Homeward, level: Level, study_uid: str, scans: list[Scan]) -> Mapping[int, bytes]:
    """Each encoded for this result; b"" for what goes."""
    charset = _agreed(context, level, scans)
    elements = dict.fromkeys(OUR_MARKS, b"")
    if level.is_whole:
        elements |= {tag: _empty(tag, context.explicit) for tag in STUDY_LEVEL}
    for tag, element in level.elements.items():
        elements[tag] = _fitted(element, level, context.explicit, charset)
    if charset != context.charset:
        elements[CHARSET] = make_element(CHARSET, "CS", charset, context.explicit)
    elements[STUDY_UID] = make_element(STUDY_UID, "UI", study_uid.encode("ascii"), context.explicit)
    return elements


def _empty(tag: int, explicit: bool) -> bytes:
    return make_element(tag, vr_of(tag), b"", explicit) if tag in MUST_STAND else b""


def _agreed(context: Homeward, level: Level, scans: list[Scan]) -> bytes:
    """The character set of the restored result, which holds what both say."""
    theirs = scanned(_joined(level.elements), level.explicit)
    if context.charset in (level.charset, _UTF_8) or not _speaks(theirs):
        return context.charset
    if any(_speaks(scan) for scan in scans):
        if any(token[0].tag == CHARSET for scan in scans for token in _nested(scan)):
            raise Unfit(
                "Its items have character sets of their own, and the patient's name does not fit into them."
            )
        context.recodes = True
    return _UTF_8


def _joined(elements: Mapping[int, bytes]) -> bytes:
    return b"".join(elements[tag] for tag in sorted(elements))


def _speaks(scan: Scan) -> bool:
    """Whether any of its text depends on the character set."""
    return any(
        rule.written in TEXTS and not link and not is_plain(scan.buf[start:end])
        for rule, _, start, end, link in scan.tokens
    )


def _nested(scan: Scan) -> "Iterator[Token]":
    top = {token[1] for token in top_level(scan)}
    return (token for token in scan.tokens if token[1] not in top)


def _fitted(element: bytes, level: Level, explicit: bool, charset: bytes) -> bytes:
    """The original's element as the result encodes it."""
    recodes = charset != level.charset and _speaks(scanned(element, level.explicit))
    if explicit == level.explicit and not recodes:
        return element
    [token] = top_level(scanned(element, level.explicit))
    rule, _, start, end, _ = token
    if rule.written == "SQ":
        return _sequence_fitted(element, level, explicit, charset)
    value = element[start:end]
    if recodes and rule.written in TEXTS:
        value = decode(value, level.charset).encode("utf-8")
    return make_element(rule.tag, rule.written if explicit else "", value, explicit)


def _sequence_fitted(element: bytes, level: Level, explicit: bool, charset: bytes) -> bytes:
    """Rare, and the slow way. What pydicom warns of may quote a value."""
    encodings = list(convert_encodings(level.charset.decode("latin-1").split("\\")))
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, not explicit
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = read_dataset(DicomBytesIO(element), not level.explicit, True, parent_encoding=encodings)
        read.decode()
        write_dataset(out, read, list(convert_encodings(charset.decode("latin-1").split("\\"))))
    return bytes(out.getvalue())
