"""One way to ask a web server: bounded in time and size, trusting whom we were told to trust, following nobody.

What it promises: no redirect is followed, so no secret and no image goes where nobody sent it; certificates are
checked; no secret goes over http to another machine unless the site says so; an answer is read up to a limit; every
trouble is a `TryLater` with a sentence of our own. Proxies of the environment (HTTPS_PROXY, NO_PROXY) are used, its
`.netrc` is not.
"""

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.utils import get_environ_proxies
from urllib3.exceptions import HTTPError

from proxy.deliveries.addresses import Trust
from proxy.deliveries.agents.web.bodies import Body, SourceGone
from proxy.deliveries.agents.web.troubles import sentence
from proxy.deliveries.agents.web.watch import Watch, WatchedAdapter
from proxy.deliveries.outcomes import INTERRUPTED, TryLater
from proxy.network.addresses import is_loopback

LARGEST_ANSWER = 4 << 20
PIECE = 1 << 16
SOURCE_GONE = TryLater(
    "A stored file could not be read while it was sent; let doctor compare index and disk.", rests=False
)
TOO_LONG = TryLater("The destination took what we sent and did not end its answer in time.")
TOO_LARGE = TryLater("The destination answers with more than we read.")


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: for a connection; while nothing is taken or said; for a whole answer once all is sent."""

    connect: float = 10.0
    sending: float = 60.0
    silence: float = 300.0
    answer: float = 600.0


PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content_type: str
    retry_after: str | None
    body: bytes


class Line:
    """One `requests.Session` for one delivery; in `with`. Not for two threads at once."""

    def __init__(
        self, trust: Trust, keep_going: Callable[[], bool], agent: str, patience: Patience = PATIENCE
    ) -> None:
        self._trust = trust
        self._keep_going = keep_going
        self._patience = patience
        self._adapter = WatchedAdapter(patience.sending)
        self._session = session(trust, self._adapter, agent)

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def ask(
        self, method: str, url: str, headers: Mapping[str, str], body: Body | bytes = b""
    ) -> Answer | TryLater:
        """The answer, whatever its status; or why there is none."""
        if trouble := _untrusting(self._trust):
            return trouble
        watch = Watch(self._keep_going, self._patience.answer)
        self._adapter.watched_by(watch)
        with watch:
            try:
                answer = self._ask(watch, method, url, headers, body)
                return _cut(watch) or answer  # to http.client a cut in the middle of the headers is their end
            except _StoppedError:
                return INTERRUPTED
            except SourceGone:
                return SOURCE_GONE
            except (requests.RequestException, HTTPError, OSError, UnicodeError) as error:
                return _why(watch, error)

    def _ask(
        self, watch: Watch, method: str, url: str, headers: Mapping[str, str], body: Body | bytes
    ) -> Answer | TryLater:
        said = {"Accept-Encoding": "identity", **headers}
        if isinstance(body, Body):
            said["Content-Type"] = body.content_type
        else:
            watch.sent()
        with closing(
            self._session.request(
                method,
                url,
                headers=said,
                data=_Sending(body, watch) if isinstance(body, Body) else body or None,
                stream=True,
                allow_redirects=False,
                timeout=(self._patience.connect, self._patience.silence),
                proxies=proxies(url),
            )
        ) as response:
            return _answer(response)


def _answer(response: requests.Response) -> Answer | TryLater:
    """A compressed answer stays so, and is not understood: we asked for none, and a small one could be a huge one."""
    body = bytearray()
    while piece := response.raw.read(PIECE, decode_content=False):
        body += piece
        if len(body) > LARGEST_ANSWER:
            return TOO_LARGE
    headers = response.headers
    return Answer(
        response.status_code, headers.get("Content-Type", ""), headers.get("Retry-After"), bytes(body)
    )


class _StoppedError(Exception):
    """`keep_going` said no between two pieces."""


@dataclass(frozen=True, slots=True)
class _Sending:
    """A body on its way: may be stopped between two pieces, and tells the watch when it is through."""

    body: Body
    watch: Watch

    @property
    def len(self) -> int:
        return self.body.len

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.body:
            if not self.watch.go_on():
                raise _StoppedError
            yield piece
        self.watch.sent()


def _why(watch: Watch, error: BaseException) -> TryLater:
    return _cut(watch) or TryLater(sentence(error))


def _cut(watch: Watch) -> TryLater | None:
    if watch.stopped:
        return INTERRUPTED
    return TOO_LONG if watch.too_long else None


def session(trust: Trust, adapter: WatchedAdapter, agent: str) -> requests.Session:
    """The one way in which we speak HTTP to others; whoever asks says `proxies` with each request."""
    made = requests.Session()
    made.trust_env = False  # no ~/.netrc: what we log in with is said by the site alone
    made.verify = _authorities(trust)
    if trust.certificate is not None:
        made.cert = (str(trust.certificate), str(trust.key or trust.certificate))
    made.headers.update({"User-Agent": agent, "Accept": "*/*"})
    made.mount("https://", adapter)
    made.mount("http://", adapter)
    return made


def _authorities(trust: Trust) -> Any:
    """Those that were named, else the system's; where a system has none, those that come with `requests`."""
    if trust.authorities is not None:
        return str(trust.authorities)
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath or True


def _untrusting(trust: Trust) -> TryLater | None:
    named = {"authorities": trust.authorities, "certificate": trust.certificate, "key": trust.key}
    for name, path in named.items():
        if path is not None and not _readable(path):
            return TryLater(f"The file named by `{name}` of this destination cannot be read.")
    return None


def _readable(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return bool(file.read(1))
    except OSError:
        return False


def proxies(url: str) -> dict[str, str]:
    host = urlsplit(url).hostname or ""
    return {} if is_loopback(host) else dict(get_environ_proxies(url, no_proxy=None))
