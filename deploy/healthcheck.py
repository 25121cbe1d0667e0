"""Do the services named on the command line answer? For Docker's healthcheck: exit status 0 or 1, no Django."""

import os
import socket
import sys
import urllib.error
import urllib.request

PATIENCE = 5


def web() -> bool:
    """Any answer but a server error: strangers to ALLOWED_HOSTS hear 400, and the web process lives."""
    port = os.environ.get("API_PORT") or "8080"
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=PATIENCE):
            return True
    except urllib.error.HTTPError as answer:
        return answer.code < 500
    except OSError:
        return False


def listen() -> bool:
    """The port is open. Whether images can be stored is what `manage.py doctor` asks."""
    port = int(os.environ.get("DICOM_PORT") or "11112")
    host = os.environ.get("DICOM_BIND_ADDRESS") or "127.0.0.1"
    try:
        with socket.create_connection(("127.0.0.1" if host == "0.0.0.0" else host, port), timeout=PATIENCE):  # noqa: S104 - told apart, not bound
            return True
    except OSError:
        return False


CHECKS = {"web": web, "listen": listen}

if __name__ == "__main__":
    sys.exit(0 if all(CHECKS[name]() for name in sys.argv[1:]) else 1)
