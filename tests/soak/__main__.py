"""`make soak`: the whole house under mixed load for an hour. Memory, descriptors and threads must stay flat.

Senders of several kinds come and go, some of them break off; one destination goes away every minute and comes back,
one is dead all the time. SOAK_MINUTES says how long (60). Exits 1 if something grew, or the books do not balance.
"""

import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.house import House
from tests.management.test_serve import is_open, until
from tests.soak import load
from tests.soak.watch import Watch

SAMPLE_EVERY = 5.0
AWAY_EVERY, AWAY_FOR = 60.0, 15.0
CALM = {"DICOM_STUDY_TIMEOUT": "5", "DELIVERY_PAUSE": "2", "DELIVERY_PAUSE_MAX": "10", "DISK_WATERMARK": "0"}


def main() -> int:
    minutes = float(os.environ.get("SOAK_MINUTES", "60"))
    with tempfile.TemporaryDirectory(prefix="postern-soak-") as name:
        folder = Path(name)
        house = House.build(folder, {**os.environ, **CALM, "ENV_FILE": str(folder / "none.env")}, cold=True)
        archive = load.Archive(folder / "archive")
        try:
            return soak(house, archive, minutes * 60)
        finally:
            archive.close()
            house.close()


def soak(house: House, archive: load.Archive, seconds: float) -> int:
    load.configure(house, archive.port)
    house.start("serve")
    until(lambda: is_open(house.dicom_port) and is_open(house.api_port), 60)
    watch, end = Watch(house), time.monotonic() + seconds
    over, dice = threading.Event(), random.Random(4711)
    senders: list[Callable[[House, random.Random], None]] = [load.studies, load.echoes, load.breaks_off]
    threads = [threading.Thread(target=_again, args=(one, house, dice, over), daemon=True) for one in senders]
    for thread in threads:
        thread.start()
    while (left := end - time.monotonic()) > 0:
        archive.come_and_go(time.monotonic(), AWAY_EVERY, AWAY_FOR)
        watch.sample()
        watch.progress(left)
        time.sleep(min(SAMPLE_EVERY, left))
    over.set()
    for thread in threads:
        thread.join(60)
    archive.open()
    troubles = [*watch.troubles(), *load.books(house)]
    watch.tell()
    for trouble in troubles:
        print(f"NOT FLAT: {trouble}")
    return 1 if troubles else 0


def _again(
    act: Callable[[House, random.Random], None], house: House, dice: random.Random, over: threading.Event
) -> None:
    while not over.is_set():
        act(house, dice)
        over.wait(dice.uniform(0.05, 0.5))


if __name__ == "__main__":
    sys.exit(main())
