"""Seals in files, for scripts that have no vault: encrypted (AES-256-GCM) under a key derived from the script's.

Needs the extra `seals` (cryptography). A file is named by the clean object's pseudonymous SOP Instance UID, and opens
for no other. Layout: one byte of version, 12 bytes of nonce, then the encrypted seal with its tag of 16 bytes.
"""

import os
import secrets
from pathlib import Path
from typing import Final

from proxy.deid.errors import DeidError, WrongSeal
from proxy.deid.keyed import Keyed

VERSION: Final = b"\x01"
_NONCE: Final = 12
_PURPOSE: Final = "seals in files"


class Lockbox:
    """A folder of seals."""

    def __init__(self, folder: Path, keyed: Keyed) -> None:
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - an extra
        except ImportError:
            raise DeidError("Seals need the library cryptography: install postern[seals].") from None
        self._folder = folder
        self._cipher = AESGCM(keyed.derived(_PURPOSE))

    def put(self, sop_uid: str, seal: bytes) -> None:
        """Durable when it returns; an earlier seal of the same object is replaced as a whole."""
        nonce = secrets.token_bytes(_NONCE)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(sop_uid)
        beside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(VERSION + nonce + self._cipher.encrypt(nonce, seal, sop_uid.encode("ascii")))
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)

    def get(self, sop_uid: str) -> bytes:
        """Raises WrongSeal if there is none, or if it does not open under this key."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - an extra

        try:
            data = self._path(sop_uid).read_bytes()
        except OSError:
            raise WrongSeal("there is no seal for this object") from None
        nonce, body = data[1 : 1 + _NONCE], data[1 + _NONCE :]
        try:
            if data[:1] != VERSION:
                raise WrongSeal("this is no seal of a version we know")
            return self._cipher.decrypt(nonce, body, sop_uid.encode("ascii"))
        except (InvalidTag, ValueError):
            raise WrongSeal("the seal does not open under this key") from None

    def _path(self, sop_uid: str) -> Path:
        if not sop_uid or set(sop_uid) - set("0123456789."):
            raise WrongSeal("the object names no SOP Instance UID")
        return self._folder / f"{sop_uid}.seal"
