"""Why there was no answer, in a sentence of our own: an exception's message could quote anything."""

import http.client
import socket
import ssl
from collections.abc import Iterator

import requests
from urllib3 import exceptions as urllib3

UNTRUSTED = {
    9: "it is not valid yet; check the clocks",
    10: "it has expired",
    18: "nobody but itself has signed it; name its authority in `authorities`",
    19: "its authority is not known here; name it in `authorities`",
    20: "its authority is not known here; name it in `authorities`",
    21: "it came without the certificates between it and its authority",
    62: "it is for another host name",
    64: "it is for another address",
}
"""OpenSSL's codes (x509_vfy.h)."""

Kinds = type[BaseException] | tuple[type[BaseException], ...]
SENTENCES: tuple[tuple[Kinds, str], ...] = (
    (ssl.SSLError, "TLS with the destination failed; check its TLS version and our client certificate."),
    (urllib3.ProxyError, "The HTTP proxy of this machine does not let us through; check HTTPS_PROXY."),
    (socket.gaierror, "The destination's host name is not known here; check its url and DNS."),
    (ConnectionRefusedError, "Nothing listens at the destination's address (connection refused)."),
    (urllib3.NewConnectionError, "The destination's address cannot be reached; check network and firewall."),
    (
        urllib3.ConnectTimeoutError,
        "The destination does not take the connection; check network and firewall.",
    ),
    (urllib3.ReadTimeoutError, "The destination took what we sent and did not answer in time."),
    (TimeoutError, "The destination stopped taking what we send."),
    (
        (ConnectionError, http.client.RemoteDisconnected),
        "The destination ended the connection in the middle.",
    ),
    (urllib3.IncompleteRead, "The destination ended the connection in the middle of its answer."),
    (http.client.HTTPException, "What answers at the destination's address speaks no HTTP."),
    (urllib3.LocationValueError, "The destination's url is no address."),
    (requests.exceptions.InvalidURL, "The destination's url is no address."),
)


def sentence(error: BaseException) -> str:
    """The most telling one of all that is behind this exception."""
    found = list(_behind(error))
    for one in found:
        if isinstance(one, ssl.SSLCertVerificationError):
            why = UNTRUSTED.get(one.verify_code, f"OpenSSL's code {one.verify_code}")
            return f"The destination's certificate is not trusted: {why}."
    for kinds, said in SENTENCES:
        if any(isinstance(one, kinds) for one in found):
            return said
    return f"The connection to the destination failed ({type(found[-1]).__name__})."


def _behind(error: BaseException) -> Iterator[BaseException]:
    """The exception and what it wraps, in any of the ways in which requests, urllib3 and Python wrap."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
