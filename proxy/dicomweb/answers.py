"""Answers that are no problems: whole ones and streams, compressed where the caller takes that. A JSON media type gets
no `charset`: JSON is UTF-8, and clients compare media types."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from proxy.dicomweb.negotiation import takes_gzip

WORTH_IT: Final = 1_000  # bytes
GZIP: Final = 16 + zlib.MAX_WBITS
QUICK: Final = 1  # a local network is faster than our cores


def streamed(
    request: Request, pieces: Iterable[bytes], media: str, *, packs: bool = False
) -> HttpResponseBase:
    """Piece by piece; whoever hangs up stops the work. `packs`: it is text, or pixels as they are."""
    answer = StreamingHttpResponse(pieces, content_type=media)
    return packed(request, answer) if packs else answer


def packed(request: Request, answer: HttpResponse | StreamingHttpResponse) -> HttpResponseBase:
    """In gzip, if that is taken and worth it; it says either way on what the answer depends."""
    answer.headers["Vary"] = "Accept, Accept-Encoding"
    if not takes_gzip(request.META.get("HTTP_ACCEPT_ENCODING", "")):
        return answer
    if isinstance(answer, StreamingHttpResponse):
        pieces: Any = answer.streaming_content
        answer.streaming_content = compressed(pieces)
    elif len(answer.content) < WORTH_IT:
        return answer
    else:
        answer.content = b"".join(compressed([answer.content]))
    answer.headers["Content-Encoding"] = "gzip"
    return answer


def compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(QUICK, zlib.DEFLATED, GZIP)
    try:
        for piece in pieces:
            if ready := packer.compress(piece):
                yield ready
        yield packer.flush()
    finally:
        close: Callable[[], None] | None = getattr(pieces, "close", None)
        if close is not None:
            close()
