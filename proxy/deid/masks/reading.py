"""A second look at masked pixels (optional): are there letters left? Whatever keeps us from looking means held.

RapidOCR is imported only when a recipe asks for it. It looks at one frame at a time in a thread of its own, so that
waiting has an end. What it reads is never said, kept or logged. It is no proof: faint or tilted text escapes it.
"""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from importlib import import_module
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from proxy.deid.context import Hold
from proxy.deid.masks import rle
from proxy.deid.masks.frames import frames_of
from proxy.deid.masks.plan import CODE, JPEG, RLE, MaskPlan, Shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LETTERS: Final = Hold(CODE, "Letters can still be read in it after masking.")
_MISSING: Final = Hold(
    CODE, "Its masked pixels cannot be read again: rapidocr-onnxruntime or numpy cannot be loaded."
)
_LATE: Final = Hold(CODE, "Reading its masked pixels again took longer than the limit.")
_FAILED: Final = Hold(CODE, "Its masked pixels could not be read again.")
_NAMELIKE: Final = re.compile(
    r"[^\W\d_]|\d{4}"
)  # a letter of any script, or as many digits as an id may have
_LEAST_SCORE: Final = 0.3
Texts = Callable[["NDArray[Any]"], list[str]]  # of one picture: rows x columns x RGB, 8 bits
_making: Final = threading.Lock()


def read_again(plan: MaskPlan, value: bytes, seconds: float) -> Hold | None:
    """value: the pixels as they will be written. Never raises."""
    end = monotonic() + seconds
    try:
        texts, thread = _reader()
        for picture in pictures(plan, value):
            if any(_NAMELIKE.search(text) for text in _within(thread.submit(texts, picture), end)):
                return _LETTERS
    except ImportError:
        return _MISSING
    except TimeoutError:
        return _LATE
    except Exception:  # a reader may raise anything on a stranger's pixels
        return _FAILED
    return None


def _within(future: "Future[list[str]]", end: float) -> list[str]:
    try:
        return future.result(max(0.0, end - monotonic()))
    finally:
        future.cancel()


def _reader() -> tuple[Texts, ThreadPoolExecutor]:
    with _making:  # loading models twice would cost twice the memory
        return _made()


@cache
def _made() -> tuple[Texts, ThreadPoolExecutor]:
    engine = import_module("rapidocr_onnxruntime").RapidOCR()

    def texts(picture: "NDArray[Any]") -> list[str]:
        found, _ = engine(picture, use_cls=False, text_score=_LEAST_SCORE)
        return [str(text) for _, text, _ in found or ()]

    return texts, ThreadPoolExecutor(1, "ocr")


def pictures(plan: MaskPlan, value: bytes) -> "Iterator[NDArray[Any]]":
    """Each frame as a screen would show it; grey values are stretched over the whole range."""
    import numpy as np  # noqa: PLC0415 - optional

    for samples in _samples(plan, value):
        shown = samples
        if shown.shape[2] == 3 and plan.shape.photometric == "YBR_FULL" and plan.original_syntax != JPEG:
            shown = shown[:, :, :1]
        if shown.dtype != np.uint8:
            low, high = int(shown.min()), int(shown.max())
            shown = ((shown.astype(np.int32) - low) * 255 // max(high - low, 1)).astype(np.uint8)
        yield np.ascontiguousarray(np.broadcast_to(shown, (*shown.shape[:2], 3)))


def _samples(plan: MaskPlan, value: bytes) -> "Iterator[NDArray[Any]]":
    """Rows x columns x samples of each frame."""
    shape = plan.shape
    if plan.transfer_syntax == RLE:
        for frame in frames_of(value, shape.frames):
            yield _planes(
                shape, rle.unpack_frame(frame, shape.samples * shape.width, shape.rows * shape.columns)
            )
    else:
        for at in range(0, shape.frame_size * shape.frames, shape.frame_size):
            yield _native(shape, value[at : at + shape.frame_size])


def _planes(shape: Shape, planes: list[bytearray]) -> "NDArray[Any]":
    import numpy as np  # noqa: PLC0415 - optional

    stack = np.stack([np.frombuffer(plane, "u1").reshape(shape.rows, shape.columns) for plane in planes], 2)
    if shape.width == 1:
        return stack
    return (
        np.ascontiguousarray(stack).view(_dtype(shape, ">")).reshape(shape.rows, shape.columns, shape.samples)
    )


def _native(shape: Shape, frame: bytes) -> "NDArray[Any]":
    import numpy as np  # noqa: PLC0415 - optional

    values = np.frombuffer(frame, _dtype(shape, "<"))
    if shape.by_plane:
        return values.reshape(shape.samples, shape.rows, shape.columns).transpose(1, 2, 0)
    return values.reshape(shape.rows, shape.columns, shape.samples)


def _dtype(shape: Shape, order: str) -> str:
    kind = "i" if shape.signed else "u"
    return f"{order}{kind}{shape.width}" if shape.width > 1 else "u1"
