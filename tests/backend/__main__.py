"""`python -m tests.backend [PORT]`: the reference backend for developers, until Ctrl-C. Its page shows what arrived.

A line typed here is an event for whoever is connected: `session.dispatch 2.25.1` sends a study home that was uploaded,
`proxy.config_changed` has the configuration asked for again. `fail status 503` has the next request fail, `cut` cuts
the WebSocket; `fail` alone says what else may go wrong.
"""

import sys
import tempfile
import threading
from pathlib import Path

from proxy.management.demo.backend.platform import TOKEN, open_backend, short


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    with (
        tempfile.TemporaryDirectory() as folder,
        open_backend(Path(folder) / "archives", port, short()) as one,
    ):
        print(f"ITH_URL={one.url}\nITH_TOKEN={TOKEN}\nWhat arrives is shown at {one.url}/", flush=True)
        for line in sys.stdin:
            print(one.hear(line), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
