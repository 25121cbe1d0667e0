"""`python -m tests.backend [PORT]`: the reference backend for developers, until Ctrl-C. Its page shows what arrived."""

import sys
import tempfile
import threading
from pathlib import Path

from tests.backend.uploads import TOKEN, a_backend


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    with tempfile.TemporaryDirectory() as folder, a_backend(Path(folder) / "archives", port) as (server, _):
        print(f"ITH_URL={server.url}\nITH_TOKEN={TOKEN}\nWhat arrives is shown at {server.url}/", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
