"""Whether a clean object is the one that was sealed: by a MAC if the seal has one, or by SHA-256.

The MAC is GMAC (NIST SP 800-38D: AES-GCM over data that are only authenticated), under a key that is drawn for one
image and lies beside its tag in the seal. Whoever cannot open the seal can make neither, and it costs a twentieth of
SHA-256, because processors have an instruction for its arithmetic. It covers the whole clean data set (of a deflated
one what was deflated), in the order in which it goes out. It needs the library cryptography (the extra `seals`).
Without that no seal gets one, and those that have one are checked by the SHA-256 that is in every seal: of the header,
and of the value of the pixel data. So are big endian ones, whose seals are made of little endian bytes.
"""

import hashlib
import hmac
import secrets
from typing import Any, Final

from proxy.deid.beside import Digest

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import GCM
except ImportError:  # an extra of the library
    AVAILABLE = False
else:
    AVAILABLE = True

KEY: Final = 16
SIZE: Final = KEY + 16
_NONCE: Final = bytes(12)  # a key has one message


class Mac:
    """Fed in order; views may die after the call."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._cipher: Any = Cipher(AES(key), GCM(_NONCE)).encryptor()
        self.update = self._cipher.authenticate_additional_data

    def digest(self) -> bytes:
        """Once, after the last update."""
        self._cipher.finalize()
        return bytes(self._cipher.tag)

    def sealed(self) -> bytes:
        """Key and tag, for the seal."""
        return self._key + self.digest()


def begun() -> Mac | None:
    """Under a new key; None without the library."""
    return Mac(secrets.token_bytes(KEY)) if AVAILABLE else None


def is_mac(sealed_mac: bytes) -> bool:
    """Whether that is one, and can be checked here."""
    return len(sealed_mac) == SIZE and AVAILABLE


def fits(sealed_mac: bytes, data: memoryview) -> bool:
    """Of data that are all there: one call instead of five."""
    try:
        return AESGCM(sealed_mac[:KEY]).decrypt(_NONCE, sealed_mac[KEY:], data) == b""
    except InvalidTag:
        return False


class Check:
    """Fed with what stands at `where` in the clean object, in order, it says whether that is what was sealed."""

    def __init__(self, sealed_mac: bytes, whole: range, sha256: bytes, bulk: range) -> None:
        quick = is_mac(sealed_mac)
        digest: Digest = Mac(sealed_mac[:KEY]) if quick else hashlib.sha256()
        self._digest, self.update = digest, digest.update
        self._expected = sealed_mac[KEY:] if quick else sha256
        self.where = whole if quick else bulk

    def fits(self) -> bool:
        return not self.where or hmac.compare_digest(self._digest.digest(), self._expected)
