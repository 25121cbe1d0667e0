"""The ports that `listen` opens: DICOM, and DICOM over TLS beside it where a certificate is set."""

from dataclasses import replace

from django.conf import settings

from proxy.network.scp import ListenSettings
from proxy.network.tls import TlsFiles
from proxy.routing.peers import file_of


def wanted() -> list[ListenSettings]:
    """All of them, always in the same order."""
    tls = secure()
    return [plain()] if tls is None else [plain(), tls]


def plain() -> ListenSettings:
    return ListenSettings(
        ae_title=settings.DICOM_AE_TITLE,
        port=settings.DICOM_PORT,
        bind=settings.DICOM_BIND_ADDRESS,
        max_pdu=settings.DICOM_MAX_PDU_SIZE,
        acse_timeout=settings.DICOM_ACSE_TIMEOUT,
        dimse_timeout=settings.DICOM_DIMSE_TIMEOUT,
        network_timeout=settings.DICOM_NETWORK_TIMEOUT,
        max_associations=settings.DICOM_MAX_ASSOCIATIONS,
        accepted=tuple(settings.DICOM_ACCEPTED_CLASSES),
    )


def secure() -> ListenSettings | None:
    """None without a certificate: then there is no second port."""
    files = tls_files()
    return replace(plain(), port=settings.DICOM_TLS_PORT, tls=files) if files else None


def tls_files() -> TlsFiles | None:
    certificate = file_of(settings.DICOM_TLS_CERTIFICATE)
    if certificate is None:
        return None
    return TlsFiles(
        certificate=certificate,
        key=file_of(settings.DICOM_TLS_KEY),
        authorities=file_of(settings.DICOM_TLS_AUTHORITIES),
        mutual=settings.DICOM_TLS_MUTUAL,
    )
