"""`make stress-storm`: two hundred studies in the kill storm, on SQLite with one worker, on PostgreSQL with four.

SEED=n repeats what can be repeated; STUDIES, KILLS and DATABASES=sqlite,postgresql make it smaller. Exits 1 if an image
is lost or seen twice, or if the books do not balance.
"""

import os
import sys
import time
from pathlib import Path

from tests.bench.receivers import disk
from tests.bench.rounds import chosen
from tests.stress.scene import a_house
from tests.stress.storm import Plan, storm

WORKERS = {"sqlite": 1, "postgresql": 4}


def main() -> int:
    seed = int(os.environ.get("SEED") or time.time())
    folder = disk()
    troubles = [name for name in chosen("DATABASES", WORKERS) if not holds(folder / name, name, seed)]
    return 1 if troubles else 0


def holds(folder: Path, database: str, seed: int) -> bool:
    workers = WORKERS[database]
    studies, kills = (int(os.environ.get(name) or most) for name, most in (("STUDIES", 200), ("KILLS", 40)))
    print(f"{database}, {workers} at work, {studies} studies, SEED={seed}", flush=True)
    house = a_house(folder, database)
    try:
        print(storm(house, folder, Plan(seed, studies, kills, workers)), flush=True)
    except AssertionError as trouble:
        print(f"DOES NOT HOLD: {trouble}", flush=True)
        return False
    finally:
        house.close()
    return True


if __name__ == "__main__":
    sys.exit(main())
