"""Who answers: our own listener and web server, and the peers we send to."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

from django.conf import settings

from proxy.management import ports
from proxy.management.doctor.findings import Finding, fail, ok, warn
from proxy.network.scu import EchoResult, Peer, echo
from proxy.network.tls import TlsUnusable, expires_at, server_context
from proxy.routing import listener
from proxy.routing.models import Destination, Node, Refusal
from proxy.routing.peers import peer_of
from proxy.routing.site import load_site

PATIENCE = 5.0
SOON = 30  # days in which a certificate should be renewed
MOST_TOLD = 5
UNKNOWN_CALLER = "1/1/3"  # PS3.8 9.3.4: calling AE title not recognised


def examine_listener() -> Iterator[Finding]:
    """It should answer a C-ECHO; in private mode it knows no such node as the doctor and says so."""
    host, port = listener.host(), settings.DICOM_PORT
    if not _open(host, port):
        yield warn(
            "listener", f"nothing listens on port {port}; start it with `make run` or `manage.py listen`."
        )
        return
    answer = echo(_peer(_own_ae_title(), host, port))
    if answer.ok:
        yield ok("listener", f"answers a C-ECHO on port {port} in {answer.took_ms:.0f} ms.")
    elif settings.DICOM_MODE == "private" and UNKNOWN_CALLER in answer.reason:
        yield ok("listener", f"listens on port {port}; private mode lets no unknown node echo.")
    else:
        yield fail("listener", f"port {port} is open, but a C-ECHO fails: {answer.reason}")


def examine_tls() -> Iterator[Finding]:
    """The certificate that callers see, and the port."""
    files = ports.tls_files()
    if files is None or files.certificate is None:
        return
    try:
        server_context(files)
        left = expires_at(files.certificate) - datetime.now(UTC)
    except TlsUnusable as trouble:
        yield fail("tls", str(trouble))
        return
    if left.days < 0:
        yield fail("tls", "the certificate has expired; callers will refuse it.")
    elif left.days < SOON:
        yield warn("tls", f"the certificate expires in {left.days} days; put the new one in its place.")
    elif not _open(listener.host(), settings.DICOM_TLS_PORT):
        yield warn(
            "tls", f"nothing listens on port {settings.DICOM_TLS_PORT}, although a certificate is set."
        )
    else:
        yield ok(
            "tls", f"port {settings.DICOM_TLS_PORT} is open; the certificate holds for {left.days} days."
        )


def examine_web() -> Iterator[Finding]:
    host, port = _reachable(settings.API_BIND_ADDRESS), settings.API_PORT
    if not _open(host, port):
        yield warn("web", f"nothing listens on port {port}; start it with `make run` or `manage.py web`.")
    elif _healthy(host, port):
        yield ok("web", f"answers on port {port}.")
    else:
        yield fail("web", f"port {port} is open, but /health does not answer; is it another program's?")


def examine_peers() -> Iterator[Finding]:
    """Every node in force that a destination in force sends to."""
    sending = Destination.objects.filter(retired_at=None, node__isnull=False).values("node")
    for node in Node.objects.filter(retired_at=None, pk__in=sending).order_by("name"):
        yield _said(node, echo(peer_of(node, PATIENCE)))


def examine_refusals() -> Iterator[Finding]:
    """Callers that were turned away since yesterday, the latest first."""
    since = datetime.now(UTC) - timedelta(days=1)
    rows = list(Refusal.objects.filter(last_at__gte=since).order_by("-last_at")[: MOST_TOLD + 1])
    for row in rows[:MOST_TOLD]:
        who = f"{row.calling_ae or 'somebody'} at {row.address}"
        yield warn("refused", f"{who} was refused {row.count} times ({row.code}): {row.why} {_remedy(row)}")
    if len(rows) > MOST_TOLD:
        yield warn("refused", "and more; the admin's page of refusals has all of them.")


def _remedy(row: Refusal) -> str:
    remedies = {
        "1/1/7": f"Add a route for {row.called_ae or 'the called AE title'}, or correct it at the caller.",
        "1/1/3": f"If it may send, add a node with AE title {row.calling_ae} to the site file.",
        "2/3/2": "If that happens often, raise DICOM_MAX_ASSOCIATIONS.",
    }
    return remedies.get(row.code, "")


def _said(node: Node, answer: EchoResult) -> Finding:
    if answer.ok:
        return ok("peer", f"{node.name} answers a C-ECHO in {answer.took_ms:.0f} ms.")
    where = f"{node.ae_title} at {node.host}:{node.port}"
    return fail("peer", f"{node.name} ({where}) does not answer: {answer.reason} Its deliveries wait.")


def _own_ae_title() -> str:
    """One that our routes answer to."""
    called = [route.called_ae for route in load_site().routes if not route.calling_ae]
    return settings.DICOM_AE_TITLE if settings.DICOM_AE_TITLE in called or not called else called[0]


def _peer(ae_title: str, host: str, port: int) -> Peer:
    return Peer(
        ae_title=ae_title,
        host=host,
        port=port,
        calling_ae=settings.DICOM_AE_TITLE,
        acse_timeout=PATIENCE,
        dimse_timeout=PATIENCE,
        network_timeout=PATIENCE,
        connect_timeout=PATIENCE,
    )


def _reachable(bind: str) -> str:
    return "127.0.0.1" if bind in {"", "0.0.0.0", "::"} else bind  # noqa: S104 - read, not bound


def _open(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=PATIENCE):
            return True
    except OSError:
        return False


def _healthy(host: str, port: int) -> bool:
    try:
        with closing(http.client.HTTPConnection(host, port, timeout=PATIENCE)) as line:
            line.request("GET", "/health", headers={"Host": "localhost"})
            return line.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
