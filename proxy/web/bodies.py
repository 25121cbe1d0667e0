"""Small bodies, JSON and forms, come as fast as an upload has to (SERVICE_PATIENCE), or end before their end.

What moves images watches over its bodies itself, by rules of its own.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from proxy.service.watch import WATCH, Watched

THEMSELVES: Final = ("/v1/anonymize", "/v1/jobs")

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class InTime:
    """Around the application (WSGI). Whoever trickles would else keep a thread for as long as they like."""

    def __init__(self, application: Application) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if watches_itself(environ.get("PATH_INFO", "")):
            return self.application(environ, start_response)
        body = environ["wsgi.input"] = Body(environ["wsgi.input"], environ.get("gunicorn.socket"))
        try:
            return self.application(environ, start_response)
        finally:
            body.over()


def watches_itself(path: str) -> bool:
    return path.startswith("/dicomweb/") or path.rstrip("/") in THEMSELVES


class Body:
    """As much of a stream as Django asks for."""

    def __init__(self, stream: Any, connection: Any) -> None:
        self._stream, self._connection, self._moved = stream, connection, 0
        self._watched: Watched | None = None

    def read(self, size: int = -1) -> bytes:
        return self._waited_for(self._stream.read, size)

    def readline(self, size: int = -1) -> bytes:
        return self._waited_for(self._stream.readline, size)

    def over(self) -> None:
        if self._watched is not None:
            WATCH.over(self._watched)

    def _waited_for(self, piece: Callable[[int], bytes], size: int) -> bytes:
        if self._watched is None:
            self._watched = WATCH.working(self._connection, lambda: self._moved)
        with self._watched.waiting():
            found = piece(size)
        self._moved += len(found)
        return found
