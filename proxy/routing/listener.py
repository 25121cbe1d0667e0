"""Our own listener, as other processes see it: where it answers, and whether it reads what arrives."""

from django.conf import settings

from proxy.network.alive import is_alive

EVERYWHERE = {"", "0.0.0.0", "::"}  # noqa: S104 - read, not bound


def host() -> str:
    """DICOM_LISTENER_HOST where it runs elsewhere; else the address it binds, or loopback if that is all of them."""
    bind = settings.DICOM_BIND_ADDRESS
    return settings.DICOM_LISTENER_HOST or ("127.0.0.1" if bind in EVERYWHERE else bind)


def reads(patience: float) -> bool:
    """Within so many seconds."""
    return is_alive(host(), settings.DICOM_PORT, patience)
