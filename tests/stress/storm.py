"""The kill storm: workers are killed at random while studies go to four kinds of destination, one in ten goes wrong.

A seed says which images there are, what goes wrong and when somebody dies; how processes take turns, it cannot say.
In the end each image is there exactly once at each destination, as it left, and the books balance. Whatever a person
would see twice is a failure; what was sent twice and is there once is not.
"""

import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests import cast
from tests.backend.uploads import TOKEN
from tests.house import House
from tests.journeys import help as journey
from tests.management.test_serve import is_open
from tests.stress.faults import SHARE, Dice
from tests.stress.receivers import Receiver, a_folder, a_pacs, a_platform, a_service
from tests.stress.scene import QUICK, configure
from tests.warm import Process

AT_ONCE = 5  # studies over one association
AWAY_EVERY, AWAY_FOR = (
    2.0,
    0.2,
)  # seconds: a folder has no requests that could go wrong, so its mount goes away
IMPATIENT = {"DICOM_ACSE_TIMEOUT": "5", "DICOM_DIMSE_TIMEOUT": "5", "DICOM_NETWORK_TIMEOUT": "5"}
SITE = """
projects: [{{name: default}}]
nodes:
  - {{name: CT_EAST, ae_title: CT_EAST, host: 127.0.0.1, port: 11104, may: [store]}}
  - {{name: ARCHIVE, ae_title: ARCHIVE, host: 127.0.0.1, port: {pacs}}}
destinations:
  - {{name: pacs, kind: dimse, node: ARCHIVE}}
  - {{name: service, kind: dicomweb, url: "http://127.0.0.1:{service}/dicom-web"}}
  - {{name: backend, kind: backend}}
  - {{name: outbox, kind: folder, path: "{mount}/outbox"}}
routes: [{{called_ae: DICOMRCV, project: default, destinations: [pacs, service, backend, outbox]}}]
"""


@dataclass(frozen=True)
class Plan:
    """`every`: seconds between two kills, in the middle; `kills`: how many there are at least."""

    seed: int
    studies: int
    kills: int
    workers: int = 1
    every: float = 3.0
    share: float = SHARE

    def images(self, folder: Path) -> Iterator[list[Path]]:
        """Of each study, one to three."""
        dice = random.Random(self.seed)
        folder.mkdir()
        for number in range(1, self.studies + 1):
            plan = cast.StudyPlan(patient=dice.choice([cast.ADA, cast.BEN]), number=number)
            make = dice.choice([cast.ct, cast.mr])
            yield [cast.save(make(plan, one + 1, size=16), folder) for one in range(dice.randint(1, 3))]


@dataclass
class Crew:
    """Processes of `manage.py work`, some of which die."""

    house: House
    running: "list[Process]" = field(default_factory=list)
    kills: int = 0

    def begin(self, count: int) -> None:
        self.running += [self.house.start("work") for _ in range(count)]

    def kill_one(self, dice: random.Random) -> None:
        """As a power cut does; another one begins."""
        victim = self.running.pop(dice.randrange(len(self.running)))
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        self.kills += 1
        self.begin(1)


@dataclass(frozen=True)
class Told:
    """What came of it, for whoever reads it on a screen."""

    images: int
    kills: int
    lost: int  # attempts that ended with their worker, which may be at several
    seconds: float
    destinations: tuple[str, ...]  # a line of each

    def __str__(self) -> str:
        first = f"{self.images} images, {self.kills} kills cut off {self.lost} deliveries"
        return "\n  ".join([f"{first}; {self.seconds:.0f} s", *self.destinations])


def _line(one: Receiver) -> str:
    faults = ", ".join(f"{count} {kind}" for kind, count in sorted(one.dice.thrown.items())) or "none"
    return f"{one.name}: {len(one.visible())} there, taken {one.arrived()} times; faults: {faults}"


def storm(house: House, folder: Path, plan: Plan) -> Told:
    """Raises AssertionError for whatever is not as it should be."""
    with _destinations(house, folder, plan) as receivers:
        began = time.monotonic()
        house.start("listen")
        journey.wait_until(lambda: is_open(house.dicom_port), "we listen")
        crew = Crew(house)
        crew.begin(plan.workers)
        with _coming_and_going(folder / "mount"):
            _rage(house, crew, plan, folder)
            journey.wait_until(lambda: _is_over(house, plan), "everything delivered", 900)
        images = judge(house, receivers)
        lost = journey.count(house, "SELECT count(*) FROM deliveries_attempt WHERE outcome = 'lost'")
        return Told(images, crew.kills, lost, time.monotonic() - began, tuple(map(_line, receivers)))


def _rage(house: House, crew: Crew, plan: Plan, folder: Path) -> None:
    """Kill and begin again while a modality sends, and as often as was said, as long as there is something to hit."""
    dice = random.Random(plan.seed + 1)
    sent = threading.Event()
    sender = threading.Thread(target=_send, args=(house, plan, folder / "scanner", sent), daemon=True)
    sender.start()
    while not (sent.is_set() and (crew.kills >= plan.kills or _is_over(house, plan))):
        since = journey.count(house, "SELECT coalesce(max(id), 0) FROM deliveries_attempt")
        time.sleep(dice.uniform(0.2, 1.8) * plan.every)
        if _is_sending(house, plan, since):
            time.sleep(dice.uniform(0, 0.1))
            crew.kill_one(dice)


def _is_sending(house: House, plan: Plan, since: int) -> bool:
    """Wait until somebody is at a delivery, else kills would hit workers that only begin; False once all is over."""
    running = f"SELECT count(*) FROM deliveries_attempt WHERE id > {since} AND ended_at IS NULL"
    while not journey.count(house, running):
        if _is_over(house, plan):
            return False
        time.sleep(0.02)
    return True


def _is_over(house: House, plan: Plan) -> bool:
    return journey.all_delivered(house, 4 * plan.studies)


def _send(house: House, plan: Plan, folder: Path, sent: threading.Event) -> None:
    waiting: list[Path] = []
    for number, study in enumerate(plan.images(folder), 1):
        waiting += study
        if number % AT_ONCE == 0 or number == plan.studies:
            while not journey.sent_safely(house, *waiting):
                time.sleep(0.5)
            waiting = []
    sent.set()


# --- destinations ---------------------------------------------------------------------------------


@contextmanager
def _destinations(house: House, folder: Path, plan: Plan) -> Iterator[tuple[Receiver, ...]]:
    each = [Dice(plan.seed + number, plan.share) for number in range(3)]
    mount = folder / "mount"
    (mount / "outbox").mkdir(parents=True)
    with ExitStack() as stack:
        pacs = stack.enter_context(a_pacs(each[0]))
        service = stack.enter_context(a_service(each[1]))
        backend = stack.enter_context(a_platform(folder / "there", each[2]))
        house.env.update(QUICK | IMPATIENT)
        house.env.update(ITH_URL=f"http://127.0.0.1:{backend.port}", ITH_TOKEN=TOKEN)
        configure(house, SITE.format(pacs=pacs.port, service=service.port, mount=mount))
        yield pacs, service, backend, a_folder(mount / "outbox")


@contextmanager
def _coming_and_going(mount: Path) -> Iterator[None]:
    """A mount that is away one tenth of the time."""
    over, away = threading.Event(), mount.with_name("away")

    def come_and_go() -> None:
        while not over.wait(AWAY_EVERY):
            mount.rename(away)
            time.sleep(AWAY_FOR)
            away.rename(mount)

    thread = threading.Thread(target=come_and_go, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(10)


# --- judgement ------------------------------------------------------------------------------------


def judge(house: House, receivers: tuple[Receiver, ...]) -> int:
    """How many images there are, once all are everywhere exactly once."""
    expected = sorted(str(uid) for (uid,) in journey.rows(house, "SELECT uid FROM studies_instance"))
    for one in receivers:
        seen = one.visible()
        assert len(seen) == len(set(seen)), f"{one.name} shows images twice"
        assert seen == expected, f"{one.name} shows {len(seen)} images, of {len(expected)}"
        assert not one.changed(), f"{one.name} was sent images that were not the same"
    lines = journey.ledger(house)
    assert len(lines) == len(receivers)
    for line in lines:
        assert (line["difference"], line["received"]) == (0, len(expected)), line
        assert line["delivered"] == len(expected), line
    return len(expected)
