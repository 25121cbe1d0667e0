"""A data set on its way: the same fragments however it is given, and never a whole one of half an image."""

import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from proxy.network import messages
from proxy.network.carrier import Carrier, Named, Piece
from proxy.network.messages import Command
from proxy.network.reading import WINDOW

NAMED = Named(5, "1.2.840.10008.5.1.4.1.1.2", "1.2.3")


class Association:
    """It keeps what is written, and answers when it is asked to go on."""

    def __init__(self) -> None:
        self.dul = self.socket = self
        self.over, self.state = False, "Sta6"
        self.carrier: Any = None
        self.writes: list[bytes] = []

    def write_all(self, pieces: list[Piece]) -> bool:
        self.writes.append(b"".join(pieces))
        return True

    def pump(self, deadline: float) -> None:
        self.carrier.heard(Command({messages.STATUS: b"\0\0"}))

    def fragments(self) -> list[tuple[int, bytes]]:
        """(control, data) of each."""
        data, at, found = b"".join(self.writes), 0, []
        while at < len(data):
            kind, length, pdv, context_id, control = struct.unpack_from(">BxLLBB", data, at)
            assert (kind, length, context_id) == (4, pdv + 4, NAMED.context_id)
            found.append((control, data[at + 12 : at + 6 + length]))
            at += 6 + length
        return found


@pytest.fixture
def association() -> Association:
    return Association()


def carrier(association: Association, longest: int) -> Carrier:
    made: Any = association
    association.carrier = Carrier(made, longest, 5.0, frozenset())
    return association.carrier  # type: ignore[no-any-return]


def streamed(pieces: list[Piece]) -> Iterator[Piece]:
    yield from pieces


SHAPES: dict[str, list[Piece]] = {
    "one": [b"a" * 1000],
    "an original": [b"head" * 300, memoryview(b"pixels" * 90_000), b""],
    "many small": [b"%04d" % number for number in range(3000)],
    "small at the end": [memoryview(b"p" * 200_000), b"end"],
    "longer than a window": [memoryview(b"q" * (WINDOW + 10)), b"r" * 100, memoryview(b"s" * WINDOW)],
}


@pytest.mark.parametrize("given", [list, streamed], ids=["whole", "streamed"])
@pytest.mark.parametrize("longest", [128, 16384, 0])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_given_arrives(
    association: Association, shape: str, longest: int, given: Callable[[list[Piece]], Any]
) -> None:
    if longest == 128 and shape == "longer than a window":
        longest = 4096  # enough fragments as it is
    assert carrier(association, longest).store_pieces(NAMED, given(SHAPES[shape])) == 0
    found = association.fragments()
    data = [(control, data) for control, data in found if not control & messages.COMMAND]
    assert b"".join(one for _, one in data) == b"".join(SHAPES[shape])
    assert [control & messages.LAST for control, _ in data] == [0] * (len(data) - 1) + [messages.LAST]
    assert all(one for _, one in data)
    assert not longest or max(len(one) for _, one in found) <= longest - 6


def test_an_image_that_is_whole_leaves_with_its_command_at_once(association: Association) -> None:
    carrier(association, 16384).store_pieces(NAMED, SHAPES["an original"])
    assert len(association.writes) == 1


def test_promise_1_what_ends_badly_is_never_complete(association: Association) -> None:
    def broken() -> Iterator[Piece]:
        yield b"a" * WINDOW
        yield b"b" * WINDOW
        raise OSError("gone")

    one = carrier(association, 16384)
    with pytest.raises(OSError, match="gone"):
        one.store_pieces(NAMED, broken())
    assert one.midway
    controls = [control for control, _ in association.fragments() if not control & messages.COMMAND]
    assert controls and not any(control & messages.LAST for control in controls)


def test_the_next_is_made_once_this_one_has_left(association: Association) -> None:
    seen: list[bytes] = []
    pieces: list[Piece] = [b"a" * 1000]
    carrier(association, 16384).store_pieces(NAMED, pieces, lambda: seen.append(association.writes[-1]))
    assert len(seen) == 1 and b"a" * 1000 in seen[0]
