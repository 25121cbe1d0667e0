"""A private authority and the certificates it issues, made anew by each test."""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from proxy.network.tls import TlsFiles

HERE = "127.0.0.1"
NOW = datetime.now(UTC)


class Authority:
    """A private authority and those it vouches for."""

    def __init__(self, folder: Path, name: str = "Test Authority") -> None:
        self.folder, self.name = folder, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        folder.mkdir(exist_ok=True)
        self.file = folder / "authority.pem"
        self.file.write_bytes(_pem(self._sign(self.name, self.key.public_key(), authority=True)))

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        authority: bool,
        days: int = 30,
        address: str = HERE,
    ) -> x509.Certificate:
        names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(address))])
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(NOW - timedelta(days=9))
        builder = builder.not_valid_after(NOW + timedelta(days=days)).add_extension(names, critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name: str, days: int = 30, address: str = HERE) -> TlsFiles:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate, secret = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_bytes(_pem(self._sign(subject, key.public_key(), False, days, address)))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return TlsFiles(certificate, secret, self.file)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
