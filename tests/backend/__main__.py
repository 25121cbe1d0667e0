"""`python -m tests.backend [PORT]`: the reference backend for developers, until Ctrl-C. Its page shows what arrived.

A line typed here is an event for whoever is connected: `session.dispatch a-1` sends the first archive home,
`proxy.config_changed` has the configuration asked for again.
"""

import sys
import tempfile
import threading
from pathlib import Path

from tests.backend.uploads import TOKEN
from tests.backend.whole import whole


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    with tempfile.TemporaryDirectory() as folder, whole(Path(folder) / "archives", port) as one:
        url = one.server.url
        print(f"ITH_URL={url}\nITH_TOKEN={TOKEN}\nWhat arrives is shown at {url}/", flush=True)
        for line in sys.stdin:
            print(one.hear(line), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
