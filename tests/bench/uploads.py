"""The reference backend in a process of its own: `python -m tests.bench.uploads FOLDER` says its port."""

import os
import sys
from pathlib import Path

from tests.backend.uploads import a_backend


def main() -> None:
    with a_backend(Path(sys.argv[1])) as (server, _):
        print(server.url.rpartition(":")[2], flush=True)
        sys.stdin.read()
        os._exit(0)


if __name__ == "__main__":
    main()
