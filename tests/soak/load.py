"""What happens to the house while it is watched."""

import itertools
import random
import tempfile
import time
from pathlib import Path

from tests import cast
from tests.house import House
from tests.journeys import help as journey
from tests.network.strangers import Stranger, data, request, store_command

NUMBERS = itertools.count(1)
MAKERS = (cast.ct, cast.mr)
SITE = """
projects: [{{name: default}}]
nodes:
  - {{name: ARCHIVE, ae_title: ARCHIVE, host: 127.0.0.1, port: {port}}}
  - {{name: DEAD, ae_title: DEAD, host: 127.0.0.1, port: 9}}
destinations:
  - {{name: archive, kind: dimse, node: ARCHIVE, associations: 2}}
  - {{name: dead, kind: dimse, node: DEAD}}
  - {{name: outbox, kind: folder, path: outbox}}
routes: [{{called_ae: DICOMRCV, project: default, destinations: [archive, dead, outbox]}}]
"""


class Archive:
    """A storescp that goes away and comes back; what it got is thrown away now and then."""

    def __init__(self, folder: Path) -> None:
        self._scp: journey.Scp | None = journey.Scp(folder)
        self.port, self._folder = self._scp.port, folder
        self._changed_at = time.monotonic()

    def open(self) -> None:
        if self._scp is None:
            for path in self._folder.iterdir():
                path.unlink()
            self._scp = journey.Scp(self._folder, self.port)

    def close(self) -> None:
        if self._scp is not None:
            self._scp.close()
            self._scp = None

    def come_and_go(self, now: float, every: float, away: float) -> None:
        if now - self._changed_at < (every if self._scp is not None else away):
            return
        self._changed_at = now
        self.close() if self._scp is not None else self.open()


def configure(house: House, port: int) -> None:
    path = house.folder / "site.yaml"
    path.write_text(SITE.format(port=port))
    result = house.command("configure", str(path))
    if result.returncode:
        raise RuntimeError(result.stderr)


def studies(house: House, dice: random.Random) -> None:
    """One study by DCMTK's storescu; some of it twice."""
    make, plan = dice.choice(MAKERS), cast.StudyPlan(number=next(NUMBERS))
    with tempfile.TemporaryDirectory() as folder:
        files = [
            cast.save(make(plan, number + 1, size=64), Path(folder)) for number in range(dice.randint(1, 30))
        ]
        journey.sent_safely(house, *files)
        if dice.random() < 0.1:
            journey.sent_safely(house, files[0])


def echoes(house: House, dice: random.Random) -> None:
    for _ in range(dice.randint(1, 10)):
        with Stranger(house.dicom_port) as stranger:
            stranger.associate()


def breaks_off(house: House, dice: random.Random) -> None:
    """In the middle of a request, of a command, of an image; or it says nothing at all."""
    whole = request() + data(3, 3, store_command()) + data(3, 0, bytes(8_000))
    with Stranger(house.dicom_port) as stranger:
        stranger.say(whole[: dice.randint(0, len(whole))])
        time.sleep(dice.uniform(0, 0.3))


def books(house: House, patience: float = 180) -> list[str]:
    """What does not balance once everything that can be delivered has been."""
    end = time.monotonic() + patience
    while True:
        lines = journey.ledger(house)
        late = [
            line for line in lines if line["destination"] != "dead" and line["received"] != line["delivered"]
        ]
        if not late or time.monotonic() > end:
            break
        time.sleep(2)
    off = [line for line in lines if line["difference"] != 0]
    for line in lines:
        print(line)
    return [f"the books of {line['destination']} are off by {line['difference']}" for line in off] + [
        f"{line['destination']} has {line['delivered']} of {line['received']}" for line in late
    ]
