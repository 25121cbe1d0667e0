"""`GET /dicomweb/studies/...`: images, their metadata, frames, bulk values and pictures (WADO-RS, PS3.18 10.4)."""

import logging
from collections.abc import Iterator, Sequence
from typing import ClassVar, Final

from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from proxy.api.problems import Problem
from proxy.api.ranges import partial, range_of
from proxy.dicomweb import model, refusing
from proxy.dicomweb.addresses import root
from proxy.dicomweb.answers import streamed
from proxy.dicomweb.askers import asker
from proxy.dicomweb.doors import Door
from proxy.dicomweb.giving import bulk, frames, memory, metadata, ranges, rendered, sources, streaming
from proxy.dicomweb.giving.choosing import NOTHING, Chosen, chosen
from proxy.dicomweb.giving.forms import ANY, EXPLICIT, Form
from proxy.dicomweb.giving.instances import DICOM, Cut, NotMade, Sending, media
from proxy.dicomweb.giving.multipart import Multipart
from proxy.dicomweb.giving.pixels import NoFrame, Pictures, Undecodable
from proxy.dicomweb.heads import ForReaders
from proxy.dicomweb.negotiation import RELATED, Choice, Offer
from proxy.network.giving import Tally
from proxy.routing.match import RETRIEVE

log = logging.getLogger(__name__)
NO_SYNTAX: Final = (
    "An image cannot be given in any of the transfer syntaxes that are asked for; name `*` or its own."
)
NOT_GIVEN: Final = "An image that is meant cannot be given here; our operator finds the reason in the log."
NO_FORM: Final = "It cannot be given in any of the forms that are asked for (Accept)."


class Giving(ForReaders, Door):
    """What has gone wrong before the first byte is a problem document."""

    right = RETRIEVE

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(_as_problem(exc))

    def chosen(self, request: Request, **named: str) -> Chosen:
        return chosen(asker(request), **named)

    def image(self, request: Request, **named: str) -> sources.Image:
        """The one that an address names."""
        return _opened(self.chosen(request, **named))

    @property
    def wanted(self) -> Offer:
        return self.choices[0].offer

    def form(self) -> Form:
        """Of whole images, in the form that is wanted most."""
        return Form(tuple(one.syntax for one in self.choices if one.offer == self.wanted))


def _opened(found: Chosen) -> sources.Image:
    with refusing.said(), found.one() as offer:
        return sources.opened(offer)


def _as_problem(error: Exception) -> Exception:
    if isinstance(error, rendered.Senseless):
        return Problem(400, "senseless", str(error))
    if isinstance(error, NoFrame):
        return Problem(404, "not-found", str(error))
    if isinstance(error, Undecodable):
        return Problem(406, "not-acceptable", f"{NO_FORM} {error}")
    if isinstance(error, (memory.TooLarge, NotMade)):
        return Problem(406, "not-acceptable", str(error))
    if isinstance(error, (*sources.TROUBLES, Cut)):
        log.warning(
            "an image could not be given: %s", error if isinstance(error, Cut) else type(error).__name__
        )
        return Problem(500, "not-given", NOT_GIVEN)
    return error


# --- whole images ---------------------------------------------------------------------------------


class Images(Giving):
    """Of a study or a series."""

    offers: Sequence[Offer] = (Offer(RELATED, DICOM),)

    def get(self, request: Request, **named: str) -> HttpResponseBase:
        found, form = self.chosen(request, **named), self.form()
        kinds = found.kinds()
        if any(form.of(syntax) is None for syntax, *_ in kinds):
            raise Problem(406, "not-acceptable", NO_SYNTAX)
        as_stored = not found.view.is_identified and all(form.of(syntax) == syntax for syntax, *_ in kinds)
        count = sum(number for _, number, _ in kinds)
        if self.wanted.name == DICOM:
            return self._single(request, found, form, as_stored)
        return self._related(request, found, Sending(found.offers(), count, form), kinds if as_stored else [])

    def _related(
        self, request: Request, found: Chosen, sending: Sending, kinds: Sequence[tuple[str, int, int]]
    ) -> HttpResponseBase:
        tally, multipart = Tally(sending.count), Multipart(DICOM)
        with refusing.said():
            stream = streaming.begun(request, sending.related(multipart, tally), found.telling(tally))
        answer = streamed(request, stream, multipart.content_type)
        if kinds:
            answer.headers["Content-Length"] = str(
                multipart.length((media(syntax), count, size) for syntax, count, size in kinds)
            )
        return answer

    def _single(self, request: Request, found: Chosen, form: Form, as_stored: bool) -> HttpResponseBase:
        if as_stored:
            return self._stored(request, found)
        tally = Tally(1)
        with refusing.said():
            pieces = Sending(found.offers(), 1, form).single(tally)
            stream = streaming.begun(request, pieces, found.telling(tally))
        return streamed(request, stream, DICOM)

    def _stored(self, request: Request, found: Chosen) -> HttpResponseBase:
        """The file as it lies there, or a range of it."""
        with found.one() as offer:
            part, tally = range_of(request, offer.path.stat().st_size), Tally(1)
        pieces = ranges.of_file(offer.path, part)

        def given() -> Iterator[bytes]:
            yield from pieces
            tally.remaining, tally.completed = 0, 1

        stream = streaming.begun(request, given(), found.telling(tally))
        return partial(streamed(request, stream, media(offer.transfer_syntax)), part)


class OneImage(Images):
    offers = (Offer(RELATED, DICOM), Offer(DICOM))


# --- metadata -------------------------------------------------------------------------------------


class Metadata(Giving):
    """Of a study, a series or one image, as a JSON array."""

    def get(self, request: Request, **named: str) -> HttpResponseBase:
        found = self.chosen(request, **named)
        with refusing.said():
            stream = streaming.begun(request, model.array(_datasets(found, root(request))))
        return streamed(request, stream, self.wanted.name, packs=True)


def _datasets(found: Chosen, base: str) -> Iterator[model.Dataset]:
    for offer in found.offers():
        try:
            image = sources.opened(offer)
            yield metadata.dataset(image.data, image.elements, bulk.addresses(image, base))
        except sources.TROUBLES as trouble:
            raise Cut(f"An image could not be read ({type(trouble).__name__}).") from None


# --- frames and bulk ------------------------------------------------------------------------------


class Frames(Giving):
    offers = frames.OFFERS

    def get(self, request: Request, frames: str, **named: str) -> HttpResponseBase:
        numbers = _numbers(frames)
        pictures = Pictures(self.image(request, **named))
        if any(one > pictures.count for one in numbers):
            raise NoFrame("The instance has no such frame.")
        return _framed(request, self.choices, pictures, [one - 1 for one in numbers])


def _numbers(text: str) -> list[int]:
    said = text.split(",")
    if len(said) > frames.MOST or not all(one.isascii() and one.isdigit() and len(one) < 10 for one in said):
        raise Problem(
            400, "malformed", f"Frames are whole numbers with commas between, not more than {frames.MOST}."
        )
    numbers = [int(one) for one in said]
    if 0 in numbers:
        raise Problem(400, "malformed", "Frames are counted from 1.")
    return numbers


def _whole(request: Request, pieces: Iterator[bytes], media: str) -> HttpResponseBase:
    """All of it is the first piece, for which there is room as long as it goes out."""
    stream = streaming.begun(request, pieces)
    answer = streamed(request, stream, media)
    answer.headers["Content-Length"] = str(len(stream.first))
    return answer


def _framed(
    request: Request, choices: Sequence[Choice], pictures: Pictures, numbers: Sequence[int]
) -> HttpResponseBase:
    way = frames.way_of(choices, pictures, len(numbers))
    if way is None:
        raise Problem(406, "not-acceptable", NO_FORM)
    if way.is_single:
        return _whole(request, frames.single(pictures, numbers[0], way), way.media)
    multipart = Multipart(way.inner)
    stream = streaming.begun(request, frames.related(pictures, numbers, way, multipart))
    return streamed(request, stream, multipart.content_type)


class Bulk(Giving):
    """A value that the metadata gave an address to."""

    offers = (Offer(RELATED, bulk.OCTETS), Offer(bulk.OCTETS))

    def get(self, request: Request, path: str, **named: str) -> HttpResponseBase:
        image = self.image(request, **named)
        if any(one.syntax not in ("", ANY, EXPLICIT) for one in self.choices[:1]):
            raise Problem(406, "not-acceptable", NO_SYNTAX)
        value = bulk.found(image, path)
        if value is None:
            raise Problem(404, "not-found", NOTHING)
        if self.wanted.name == RELATED:
            multipart = Multipart(bulk.OCTETS)
            stream = streaming.begun(request, bulk.related(value, multipart))
            return streamed(request, stream, multipart.content_type)
        if value.data is None:
            return streamed(request, streaming.begun(request, bulk.pieces(value)), bulk.OCTETS)
        part = range_of(request, len(value.data))
        stream = streaming.begun(request, ranges.of_memory(value.data, part))
        return partial(streamed(request, stream, bulk.OCTETS), part)


# --- pictures -------------------------------------------------------------------------------------


class Rendered(Giving):
    """One picture: of a frame, of an image's first frame, of the image in the middle of a series or study. Or several,
    as a multipart/related: all frames of an image, the first of each image of a series or study."""

    offers: Sequence[Offer] = (
        Offer(rendered.JPEG),
        Offer(rendered.PNG),
        Offer(RELATED, rendered.JPEG),
        Offer(RELATED, rendered.PNG),
    )
    is_thumbnail: ClassVar[bool] = False

    def get(self, request: Request, frames: str = "", **named: str) -> HttpResponseBase:
        look = rendered.read(dict(request.query_params.lists()))
        look = rendered.thumbnail(look) if self.is_thumbnail else look
        numbers = [one - 1 for one in _numbers(frames)] if frames else []
        if self.wanted.name != RELATED:
            if len(numbers) > 1:
                raise Problem(406, "not-acceptable", "Several pictures are given as multipart/related only.")
            return self._one(request, look, (numbers or [0])[0], **named)
        multipart = Multipart(self.wanted.inner)
        with refusing.said():
            stream = streaming.begun(request, self._several(request, look, numbers, multipart, **named))
        return streamed(request, stream, multipart.content_type)

    def _one(self, request: Request, look: rendered.Look, frame: int, **named: str) -> HttpResponseBase:
        found = self.chosen(request, **named)
        one = found if "instance" in named else found.representative()
        image = _opened(one)
        return _whole(request, _picture(Pictures(image), frame, look, self.wanted.name), self.wanted.name)

    def _several(
        self,
        request: Request,
        look: rendered.Look,
        numbers: Sequence[int],
        multipart: Multipart,
        **named: str,
    ) -> Iterator[bytes]:
        first = True
        for offer in self.chosen(request, **named).offers():
            pictures = Pictures(sources.opened(offer))
            if not pictures.has_pixels and "instance" not in named:
                continue
            every = range(pictures.count) if "instance" in named else (0,)
            for frame in numbers or every:
                drawn = _drawn(pictures, frame, look, multipart.inner)
                yield multipart.head(multipart.inner, first=first) + drawn
                first = False
        if first:
            raise NoFrame("The instance has no pixels.")
        yield multipart.end


def _picture(pictures: Pictures, frame: int, look: rendered.Look, form: str) -> Iterator[bytes]:
    yield _drawn(pictures, frame, look, form)


def _drawn(pictures: Pictures, frame: int, look: rendered.Look, form: str) -> bytes:
    with streaming.drawing(), memory.room.taking(rendered.cost(pictures, look)):
        return rendered.drawn(pictures, frame, look, form)


class Thumbnail(Rendered):
    offers = (Offer(rendered.JPEG), Offer(rendered.PNG))
    is_thumbnail = True
