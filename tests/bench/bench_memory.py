"""64 associations, each with an image of 200 MB, at once: what resident memory grows by. Needs 26 GB of disk.

Prints, asserts nothing. SENDERS and MEGABYTES in the environment change it.
"""

import os
import tempfile
from pathlib import Path

from tests import memory
from tests.house import House


def main() -> None:
    senders, megabytes = int(os.environ.get("SENDERS", "64")), int(os.environ.get("MEGABYTES", "200"))
    with tempfile.TemporaryDirectory(prefix="postern-bench-") as name:
        folder = Path(name)
        house = House.build(folder, {**os.environ, "ENV_FILE": str(folder / "none.env")}, cold=True)
        try:
            seen = memory.measure(house, memory.files(folder / "images", senders, megabytes))
        finally:
            house.close()
    print(
        f"{senders} associations of {megabytes} MB: {seen.before} MB resident before, {seen.most} MB at most, "
        f"growth {seen.growth} MB, {seen.seconds:.1f} s, {seen.refused} refused"
    )


if __name__ == "__main__":
    main()
