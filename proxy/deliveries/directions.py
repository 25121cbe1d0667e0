"""Turn a destination's row and our settings into the address that an agent is handed.

What is missing for that (a secret that is set nowhere) is somebody's to mend: the delivery waits with a sentence.
"""

from pathlib import Path

from django.conf import settings

from config import reading
from proxy.backend.models import Standing
from proxy.deliveries.addresses import SYSTEMS, Auth, Credentials, Platform, Trust, Web
from proxy.deliveries.outcomes import TryLater
from proxy.deliveries.parcel import Address, Shelf, Wire
from proxy.network.addresses import goes_in_clear
from proxy.routing.models import Destination
from proxy.routing.peers import file_of, peer_of
from proxy.storage.templates import parse

NO_BACKEND = TryLater("There is no backend to deliver to: set ITH_URL and ITH_TOKEN.")
IN_CLEAR = TryLater(
    "The destination's address begins with http://, which sends images and secrets in clear: use https://, or say"
    " insecure: true."
)


def address_of(destination: Destination) -> Address | TryLater:
    if destination.node is not None:
        return Wire(peer_of(destination.node), destination.associations, destination.commitment)
    if destination.kind == Destination.DICOMWEB:
        return _web(destination)
    if destination.kind == Destination.BACKEND:
        return _platform(destination)
    return _shelf(destination)


def _shelf(destination: Destination) -> Shelf:
    """A relative path lies below DATA_DIR and may be made; any other may be a mount that is away."""
    path = Path(destination.path)
    ours = not path.is_absolute() and ".." not in path.parts
    template = parse(destination.template) if destination.template else None
    return Shelf(Path(settings.DATA_DIR) / path, ours, destination.as_zip, template)


def _web(destination: Destination) -> Web | TryLater:
    auth = Auth(destination.auth)
    secret = "" if auth is Auth.NONE else secret_of(destination.secret)
    if auth is not Auth.NONE and not secret:
        name = destination.secret
        return TryLater(f"The secret is set nowhere: set {name}, or {name}_FILE to the path of its file.")
    if not destination.insecure and any(
        map(goes_in_clear, filter(None, (destination.url, destination.token_url)))
    ):
        return IN_CLEAR
    said = {name: getattr(destination, name) for name in ("user", "header", "token_url", "scope")}
    return Web(destination.url, Credentials(auth, secret, **said), trust_of(destination))


def _platform(destination: Destination) -> Platform | TryLater:
    if not settings.ITH_URL or not settings.ITH_TOKEN:
        return NO_BACKEND
    if not destination.insecure and goes_in_clear(settings.ITH_URL):
        return IN_CLEAR
    known = Standing.objects.filter(pk=1).values_list("workspace", flat=True).first()
    return Platform(
        url=settings.ITH_URL,
        key=settings.ITH_TOKEN,
        workspace=known or "",
        archives=Path(settings.ARCHIVE_DIR),
        retries=settings.UPLOAD_MAX_RETRIES,
        pause=settings.UPLOAD_RETRY_DELAY,
        room=settings.DISK_WATERMARK << 20,
        trust=trust_of(destination),
    )


def backend_trust() -> Trust:
    """Whom we believe, and what we show, whatever we ask the backend: as the site says for its destination."""
    rows = Destination.objects.filter(kind=Destination.BACKEND, retired_at=None)
    row = rows.order_by("pk").first()
    return trust_of(row) if row is not None else SYSTEMS


def backend_in_clear() -> TryLater | None:
    """What is wrong where others could read our token along, and the site did not say that they may."""
    allowed = Destination.objects.filter(kind=Destination.BACKEND, retired_at=None, insecure=True)
    return IN_CLEAR if goes_in_clear(settings.ITH_URL) and not allowed.exists() else None


def trust_of(destination: Destination) -> Trust:
    return Trust(file_of(destination.authorities), file_of(destination.certificate), file_of(destination.key))


def secret_of(name: str) -> str:
    """From the variable or the file that its name with _FILE names; nothing, if there is none that can be read."""
    try:
        return reading.raw(name) or ""
    except reading.WrongSetting:
        return ""
