"""Which images a PACS says a study has, series by series; and what to ask for, given what is here already."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.network.inquiring import Inquiry
from proxy.retrieval.pulls.selection import is_uid

MOST_SERIES: Final = 10_000
MOST_IMAGES: Final = 100_000  # of a study
AT_ONCE: Final = 64  # UIDs of one request
Keys = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True, repr=False)
class Target:
    """A study to be asked for, and where a PACS can only be asked by patient, whose it is."""

    study: str
    patient: str = ""


class TooMany(Exception):
    """The PACS lists more than any study has."""


@dataclass(frozen=True, slots=True, repr=False)
class Image:
    uid: str
    sop_class: str  # empty if the PACS does not say


@dataclass(frozen=True, slots=True, repr=False)
class Series:
    uid: str
    images: tuple[Image, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Inventory:
    target: Target
    series: tuple[Series, ...]

    @property
    def images(self) -> tuple[Image, ...]:
        return tuple(image for one in self.series for image in one.images)


def taken(inquiry: Inquiry, target: Target) -> Inventory:
    """Without images if the PACS does not list any. Raises Lost, TooMany."""
    series = list(_uids(inquiry, _series_keys(target), "SeriesInstanceUID", MOST_SERIES))
    left, found = MOST_IMAGES, []
    for uid, _ in series:
        keys = _image_keys(target, uid)
        images = tuple(Image(*one) for one in _uids(inquiry, keys, "SOPInstanceUID", left))
        left -= len(images)
        found.append(Series(uid, images))
    return Inventory(target, tuple(_once(found)))


def _once(found: Iterable[Series]) -> Iterator[Series]:
    """A PACS that does not look at the series' key lists every image under each."""
    seen: set[str] = set()
    for one in found:
        images = tuple(image for image in one.images if image.uid not in seen)
        seen |= {image.uid for image in images}
        yield Series(one.uid, images)


def _uids(inquiry: Inquiry, keys: Keys, keyword: str, most: int) -> Iterator[tuple[str, str]]:
    """UID and SOP Class of each answer that has one, each once."""
    seen: set[str] = set()
    for count, answer in enumerate(inquiry.ask(keys)):
        if count >= most:
            raise TooMany
        values = answer.get(keyword, ()) if answer is not None else ()
        if not values or values[0] in seen or not is_uid(values[0]):
            continue
        seen.add(values[0])
        classes = answer.get("SOPClassUID", ()) if answer is not None else ()
        yield values[0], classes[0] if classes else ""


def _series_keys(target: Target) -> Keys:
    return _keys("SERIES", target) | {"SeriesInstanceUID": ""}


def _image_keys(target: Target, series: str) -> Keys:
    return _keys("IMAGE", target) | {"SeriesInstanceUID": series, "SOPInstanceUID": "", "SOPClassUID": ""}


def _keys(level: str, target: Target) -> dict[str, str | Sequence[str]]:
    """What stands above everything of the study."""
    patient = {"PatientID": target.patient} if target.patient else {}
    return {"QueryRetrieveLevel": level, **patient, "StudyInstanceUID": target.study}


# --- what to ask for ------------------------------------------------------------------------------


def requests(inventory: Inventory, wanted: Collection[str]) -> list[Keys]:
    """The whole study if all of it is wanted, else whole series, and single images of those that are here in part."""
    if all(image.uid in wanted for image in inventory.images):
        return [study_keys(inventory.target)]
    return [keys for series in inventory.series for keys in _of_series(inventory.target, series, wanted)]


def _of_series(target: Target, series: Series, wanted: Collection[str]) -> list[Keys]:
    uids = [image.uid for image in series.images if image.uid in wanted]
    if uids and len(uids) == len(series.images):
        return [_keys("SERIES", target) | {"SeriesInstanceUID": series.uid}]
    return [image_keys(target, series.uid, uids[at : at + AT_ONCE]) for at in range(0, len(uids), AT_ONCE)]


def study_keys(target: Target) -> Keys:
    return _keys("STUDY", target)


def image_keys(target: Target, series: str, images: Sequence[str]) -> Keys:
    several = images[0] if len(images) == 1 else images
    return _keys("IMAGE", target) | {"SeriesInstanceUID": series, "SOPInstanceUID": several}
