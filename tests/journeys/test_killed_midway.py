"""Promise 8: whatever is half received when the power goes, nobody is named by what lies on the disk."""

import os
import signal
import time
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from proxy.network import messages
from tests import cast
from tests.house import House
from tests.journeys import help as journey
from tests.management import test_serve as serve
from tests.network.strangers import Stranger
from tests.reception.sending import encode

pytestmark = [pytest.mark.journey, pytest.mark.peers]

MEGABYTE = 1 << 20
NAMED = (cast.ADA.name + " " + cast.ADA.id + " ").encode()
PDU = 16_384


def large(image: Dataset) -> Dataset:
    image.NumberOfFrames = 1024
    image.PixelData = image.PixelData * 1024  # 8 MB
    return image


def native() -> Dataset:
    return large(cast.ct(size=64))


def late_element() -> Dataset:
    """Somebody is named behind the pixels, too."""
    image = native()
    image.add_new(0xFFFCFFFC, "OB", NAMED * 1000)
    return image


def overlay() -> Dataset:
    image = native()
    image.add_new(0x60003000, "OW", NAMED * (MEGABYTE // len(NAMED) // 2 * 2))
    return image


def document() -> Dataset:
    image = cast.ct(size=64)
    image.EncapsulatedDocument = NAMED * (4 * MEGABYTE // len(NAMED) // 2 * 2)
    image.MIMETypeOfEncapsulatedDocument = "text/plain"
    return image


def waveform() -> Dataset:
    image = cast.ct(size=64)
    group = Dataset()
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 8, "UB"
    group.WaveformData = NAMED * (4 * MEGABYTE // len(NAMED) // 2 * 2)
    image.WaveformSequence = [group]
    return image


def private_blob() -> Dataset:
    image = native()
    image.private_block(0x0029, "POSTERN TEST", create=True).add_new(1, "OB", NAMED * 60_000)
    return image


def burned_in() -> Dataset:
    """A gate holds it: what comes is spooled, encrypted, from the header on."""
    image = native()
    image.BurnedInAnnotation = "YES"
    return image


KINDS = (native, late_element, overlay, document, waveform, private_blob, burned_in)


def half_sent(house: House, image: Dataset, share: float) -> Stranger:
    """An association in the middle of an image, as it stood when the power went."""
    encoded = encode(image, ImplicitVRLittleEndian)  # what our answer to its request takes first
    command = messages.store_request(str(image.SOPClassUID), str(image.SOPInstanceUID), 1)
    stranger = Stranger(house.dicom_port)
    assert stranger.associate()[0] == 2
    pdus = [*messages.fragments(3, messages.COMMAND, command, PDU), *messages.fragments(3, 0, encoded, PDU)]
    stranger.say(b"".join(pdus[: max(int(len(pdus) * share), 2)]))
    return stranger


@pytest.mark.timeout(600)
def test_promise_8_a_kill_in_the_middle_of_any_image_leaves_nobody_named(
    house: House, tmp_path: Path
) -> None:
    house.start("listen", DICOM_WORKERS="2")
    serve.until(lambda: serve.is_open(house.dicom_port))
    strangers = [half_sent(house, make(), share) for make in KINDS for share in (0.3, 0.7, 0.999)]
    time.sleep(2.0)  # until all of it was read and whatever is written early was written
    written = [path for path in house.data.rglob("*") if path.is_file() and path.stat().st_size > MEGABYTE]
    assert written, "nothing was written early: this test would find nothing"
    for pid in serve.processes(house, "listen"):
        os.kill(pid, signal.SIGKILL)
    for stranger in strangers:
        stranger.close()
    assert journey.leaks(house, cast.NEEDLES) == set()
    assert journey.count(house, "SELECT count(*) FROM studies_instance") == 0
