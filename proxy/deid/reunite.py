"""The way back for an image that came home changed: element by element instead of byte by byte.

Outside, an image is re-encoded, recompressed, annotated. Its seal still knows, for every path, what we took out and a
checksum of what we put there. What we removed is put back where nobody put something else; what we replaced gets its
original where our replacement still stands; what the outside changed or added stays. UIDs that we gave are turned back
wherever they stand. This is the slow path: pydicom does the reading and writing.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from pydicom import dcmread
from pydicom.charset import convert_encodings
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset, read_sequence_item
from pydicom.filewriter import dcmwrite, write_dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from proxy.deid import seal
from proxy.deid.errors import Unreadable, WrongSeal
from proxy.deid.masks import PIXEL_TAGS
from proxy.deid.part10 import make_meta
from proxy.deid.seal import CHARSET, SYNTAX, Opened, Piece
from proxy.deid.syntaxes import BIG_ENDIAN, IMPLICIT

_ITEM: Final = b"\xfe\xff\x00\xe0"
_PIXEL_DATA: Final = b"\xe0\x7f\x10\x00"
_INSTANCE: Final = b"\x08\x00\x18\x00"
_LEAST: Final = 8  # bytes of an element; what is shorter corrects a length
_UTF_8: Final = "ISO_IR 192"
# What we insert where an original has nothing, in the runs in which we do
_INSERTED: Final = (
    (0x00120062, 0x00120063, 0x00120064),
    (0x00280303,),
    (0x00100010,),
    (0x00100020,),
    (0x00280006,),
    (0x00280301,),
)


@dataclass(frozen=True, slots=True, repr=False)
class Reunited:
    """The data set, and what became of what we had changed."""

    data: bytes
    put_back: int  # elements that are the original's again
    left: int  # elements that the outside changed, filled or removed: its word stands
    lost: int  # elements whose sequence or item is gone
    transfer_syntax: str  # the original's where masked pixels were put back that had another, else as it came


def restore_elements(changed: bytes, transfer_syntax: str, sealed: bytes) -> Reunited:
    """Raises Unreadable if the changed data set cannot be read, WrongSeal if the seal cannot, or fits nowhere."""
    opened = seal.read(sealed)
    ds = _read(changed, transfer_syntax)
    work = _Reunion(ds, opened)
    work.run()
    if not work.put_back:
        raise WrongSeal("nothing of what was sealed fits this object")
    syntax = work.syntax or transfer_syntax
    return Reunited(_written(ds, syntax), work.put_back, work.left, work.lost, syntax)


def _read(data: bytes, syntax: str) -> Dataset:
    try:
        ds = dcmread(BytesIO(make_meta("", "", syntax) + data))
        ds.walk(lambda _, element: element.value)  # everything, now
    except Exception as trouble:  # pydicom raises many kinds
        raise Unreadable(f"the changed object cannot be read: {type(trouble).__name__}") from None
    return ds


def _written(ds: Dataset, syntax: str) -> bytes:
    out = BytesIO()
    little, implicit = syntax != BIG_ENDIAN, syntax == IMPLICIT
    bare = Dataset()
    bare.update(ds)
    bare.set_original_encoding(implicit, little, ds.get("SpecificCharacterSet"))
    dcmwrite(out, bare, implicit_vr=implicit, little_endian=little, enforce_file_format=False)
    return out.getvalue()


class _Reunion:
    def __init__(self, ds: Dataset, opened: Opened) -> None:
        self.ds = ds
        self.opened = opened
        self.put_back = self.left = self.lost = 0
        self._uids: dict[str, str] = {}
        self._pixels_fit = self._pixels_stand()
        original = opened.extras.get(CHARSET, b"").decode("latin-1").split("\\")
        self._encodings = _encodings(original)
        self._agree_on_charset(original)

    @property
    def syntax(self) -> str:
        """Of the original's pixels where they were put back; '' where the object's own stay."""
        return self.opened.extras.get(SYNTAX, b"").decode("ascii", "replace") if self._pixels_fit else ""

    def _pixels_stand(self) -> bool:
        """Whether pixels that we masked came home as we made them. What describes them goes back only with them."""
        masked = [one for one in self.opened.pieces if one.original[:4] == _PIXEL_DATA and not one.path]
        return all(self._belongs(self.ds, Tag(0x7FE00010), one) for one in masked)

    def run(self) -> None:
        pieces = self.opened.pieces
        self._refuse_strangers()
        for piece in pieces:
            if piece.original[:4] == _ITEM and not piece.size:
                self._items_back(piece)
            elif not piece.original and piece.size and not piece.path:
                self._take_out(piece)
        for piece in pieces:
            if len(piece.original) >= _LEAST and piece.original[:4] != _ITEM:
                self._elements_back(piece)
        self._uids_back(self.ds)

    def _refuse_strangers(self) -> None:
        """An object without the SOP Instance UID that we gave is not ours."""
        for piece in self.opened.pieces:
            if piece.original[:4] == _INSTANCE and not piece.path:
                if self._belongs(self.ds, Tag(0x00080018), piece):
                    return
                raise WrongSeal("the seal belongs to another object")

    def _agree_on_charset(self, original: list[str]) -> None:
        """Where the outside speaks another one, both are written in UTF-8."""
        if _charset(self.ds) != original:
            self.ds.decode()
            self.ds.SpecificCharacterSet = _UTF_8

    def _place(self, path: Iterable[tuple[int, int]]) -> Dataset | None:
        place = self.ds
        for tag, number in path:
            element = place.get(Tag(tag))
            if element is None or element.VR != "SQ" or number >= len(element.value):
                return None
            place = element.value[number]
        return place

    def _items_back(self, piece: Piece) -> None:
        """Items that went as a whole; in the order of the seal, so that numbers become the original's."""
        *outer, (tag, number) = piece.path or ((0, 0),)
        place = self._place(outer)
        element = place.get(Tag(tag)) if place is not None else None
        if element is None or element.VR != "SQ" or number > len(element.value):
            self.lost += 1
            return
        element.value.insert(number, self._item(piece.original))
        self.put_back += 1

    def _item(self, data: bytes) -> Dataset:
        item = read_sequence_item(DicomBytesIO(data), not self.opened.explicit, True, self._encodings)
        return item if item is not None else Dataset()

    def _elements_back(self, piece: Piece) -> None:
        place = self._place(piece.path)
        for original in self._originals(piece.original, place):
            if place is None:
                self.lost += 1
            elif not self._belongs(place, original.tag, piece) or not self._may(original.tag, piece):
                self.left += 1
            else:
                self._note_uids(place.get(original.tag), original)
                place[original.tag] = original
                self.put_back += 1

    def _may(self, tag: BaseTag, piece: Piece) -> bool:
        return self._pixels_fit or bool(piece.path) or tag not in PIXEL_TAGS

    def _originals(self, data: bytes, place: Dataset | None) -> Iterator[DataElement]:
        """Decoded as they were written: an item may have had a character set of its own."""
        encodings = self._encodings
        if place is not None and place is not self.ds and "SpecificCharacterSet" in place:
            encodings = _encodings(_charset(place))
        yield from read_dataset(DicomBytesIO(data), not self.opened.explicit, True, parent_encoding=encodings)

    def _belongs(self, place: Dataset, tag: BaseTag, piece: Piece) -> bool:
        """Whether the outside left this place as we had made it."""
        if not piece.size:
            return tag not in place
        return tag in place and self._checksum([place[tag]]) == piece.checksum

    def _checksum(self, elements: Iterable[DataElement]) -> int:
        """Of elements as we would have written them: in the original's encoding, with defined lengths."""
        run = Dataset()
        for element in elements:
            run[element.tag] = _defined(element)
        out = DicomBytesIO()
        out.is_little_endian, out.is_implicit_VR = True, not self.opened.explicit
        write_dataset(out, run, self.ds._character_set)
        return zlib.crc32(out.getvalue())

    def _note_uids(self, ours: DataElement | None, original: DataElement) -> None:
        if ours is not None and original.VR == "UI" and ours.VR == "UI":
            pairs = zip(_values(ours), _values(original), strict=False)
            self._uids.update(pair for pair in pairs if pair[0] != pair[1])

    def _take_out(self, piece: Piece) -> None:
        """Our marks, the pseudonym where the original named nobody, and what we said of masked pixels."""
        for tags in _INSERTED if self._pixels_fit else _INSERTED[:4]:
            if all(tag in self.ds for tag in tags) and (
                self._checksum([self.ds[tag] for tag in tags]) == piece.checksum
            ):
                for tag in tags:
                    del self.ds[tag]
                self.put_back += 1
                return
        self.left += 1

    def _uids_back(self, ds: Dataset) -> None:
        for element in ds:
            if element.VR == "SQ":
                for item in element.value:
                    self._uids_back(item)
            elif element.VR == "UI" and any(uid in self._uids for uid in _values(element)):
                turned = [self._uids.get(uid, uid) for uid in _values(element)]
                element.value = turned if len(turned) > 1 else turned[0]


def _charset(ds: Dataset) -> list[str]:
    now = ds.get("SpecificCharacterSet") or ""
    return [now] if isinstance(now, str) else list(now)


def _encodings(charset: list[str]) -> list[str]:
    return list(convert_encodings([one or "ISO_IR 6" for one in charset]))


def _values(element: DataElement) -> list[str]:
    value = element.value
    if not value:
        return []
    return [str(value)] if isinstance(value, str) else [str(one) for one in value]


def _defined(element: DataElement) -> DataElement:
    """The same element, its lengths defined at every depth."""
    if element.VR != "SQ":
        return element
    items = []
    for item in element.value:
        copy = Dataset()
        for inner in item:
            copy[inner.tag] = _defined(inner)
        items.append(copy)
    return DataElement(element.tag, "SQ", Sequence(items))
