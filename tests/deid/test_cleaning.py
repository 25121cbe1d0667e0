"""One file through the engine, from wherever it comes."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import pytest

from proxy.deid import Engine, Facts, HeldError, Subject, Unreadable, load_recipe, split
from proxy.deid.cleaning import NotDicom, cleaned
from proxy.deid.recognising import EXPLICIT
from tests import cast
from tests.deid.test_recognising import real_file


def _subject(_: Facts) -> Subject:
    return Subject("ANON-AAAAAAAAAAAAAAAA", 10, bytes(32))


def test_a_bare_data_set_comes_out_as_a_part_10_file_without_a_name(tmp_path: Path) -> None:
    path, out = tmp_path / "old", tmp_path / "clean"
    path.write_bytes(split(cast.part10(cast.ct())).dataset.tobytes())
    with out.open("wb") as file:
        cleaned(BytesIO(path.read_bytes()), file, Engine(load_recipe("basic")), _subject)
    content = out.read_bytes()
    assert split(content).syntax == EXPLICIT
    assert not [n for n in cast.NEEDLES if any(form in content for form in cast.spellings(n))]


def test_compressed_pixels_that_nothing_names_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "old"
    path.write_bytes(split(real_file("JPEG2000.dcm").read_bytes()).dataset.tobytes())
    with pytest.raises(Unreadable, match="compressed"):
        cleaned(BytesIO(path.read_bytes()), None, Engine(load_recipe("basic")), _subject)
    path.write_text("a note")
    with pytest.raises(NotDicom):
        cleaned(BytesIO(path.read_bytes()), None, Engine(load_recipe("basic")), _subject)


class Seen:
    """A target that remembers what it was given, also what somebody would take back."""

    def __init__(self) -> None:
        self.content = b""

    def writelines(self, pieces: Sequence[bytes | memoryview], /) -> None:
        self.content += b"".join(pieces)


@pytest.mark.parametrize("size", [64, 1200])  # pixels in the first piece, and in many
def test_promise_1_nothing_is_written_of_what_a_gate_holds(size: int) -> None:
    """Not even for a moment: its pixels may show who it is."""
    image, seen = cast.ct(size=size), Seen()
    image.BurnedInAnnotation = "YES"
    with pytest.raises(HeldError):
        cleaned(BytesIO(cast.part10(image)), seen, Engine(load_recipe("basic")), _subject)
    assert seen.content == b""
    del image.BurnedInAnnotation
    cleaned(BytesIO(cast.part10(image)), seen, Engine(load_recipe("basic")), _subject)
    assert bytes(image.PixelData) in seen.content


def test_of_what_is_held_the_end_is_read_too() -> None:
    """Half a file is half a file, whatever a gate says of it."""
    image = cast.ct(size=1200)
    image.BurnedInAnnotation = "YES"
    with pytest.raises(Unreadable):
        cleaned(BytesIO(cast.part10(image)[:-5]), None, Engine(load_recipe("basic")), _subject)
