"""From stored values to grey values of a screen: Modality LUT, then VOI LUT or window (PS3.3 C.11.1, C.11.2, PS3.4 N).

Pure, over arrays. Modality and VOI are of the frame: an enhanced image says them in its functional groups.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LINEAR, EXACT, SIGMOID = "LINEAR", "LINEAR_EXACT", "SIGMOID"


@dataclass(frozen=True, slots=True)
class Window:
    center: float
    width: float
    function: str = LINEAR


def shown(values: "NDArray[Any]", window: Window | None, *, inverted: bool) -> "NDArray[np.uint8]":
    """0 to 255. Without a window the whole range of values is."""
    floats: NDArray[Any] = values.astype(np.float32 if values.dtype.itemsize <= 2 else np.float64)
    grey = _stretched(floats) if window is None else _windowed(floats, window)
    bytes_: NDArray[np.uint8] = (np.clip(grey, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    return 255 - bytes_ if inverted else bytes_


def _windowed(values: "NDArray[Any]", window: Window) -> "NDArray[Any]":
    return FUNCTIONS[window.function](values, window.center, window.width)


def _stretched(values: "NDArray[Any]") -> "NDArray[Any]":
    finite = values[np.isfinite(values)]
    if not finite.size:
        return np.zeros_like(values)
    low, high = float(finite.min()), float(finite.max())
    made: NDArray[Any] = (np.nan_to_num(values, nan=low) - low) / ((high - low) or 1.0)
    return made


def _linear(values: "NDArray[Any]", center: float, width: float) -> "NDArray[Any]":
    """PS3.3 C.11.2.1.2.1; a width of 1 is a threshold."""
    if width <= 1:
        return (values > center - 0.5).astype(np.float64)
    return (values - (center - 0.5)) / (width - 1.0) + 0.5


def _exact(values: "NDArray[Any]", center: float, width: float) -> "NDArray[Any]":
    return (values - center) / width + 0.5


def _sigmoid(values: "NDArray[Any]", center: float, width: float) -> "NDArray[Any]":
    made: NDArray[Any] = 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -500, 500)))
    return made


FUNCTIONS: Final[Mapping[str, Callable[..., "NDArray[Any]"]]] = {
    LINEAR: _linear,
    EXACT: _exact,
    SIGMOID: _sigmoid,
}


def looked_up(values: "NDArray[Any]", table: Sequence[int], first: int) -> "NDArray[np.int64]":
    """A Modality or VOI LUT: below its first value the first entry, behind its last the last (PS3.3 C.11.1.1.1)."""
    places = np.clip(values.astype(np.int64) - first, 0, len(table) - 1)
    made: NDArray[np.int64] = np.asarray(table, dtype=np.int64)[places]
    return made
