"""Fernet tokens that know where they belong: opened for another context, or after a change, they break."""

from typing import Final

from cryptography.fernet import Fernet, InvalidToken

from proxy.storage.errors import SealBroken

SPLIT: Final = b"\0"


def encrypt(key: bytes, context: str, plain: bytes) -> bytes:
    return Fernet(key).encrypt(_prefix(context) + plain)


def decrypt(key: bytes, context: str, token: bytes | memoryview) -> bytes:
    prefix = _prefix(context)
    try:
        opened = Fernet(key).decrypt(bytes(token))
    except InvalidToken:
        raise SealBroken("This token was changed or made with another key.") from None
    if not opened.startswith(prefix):
        raise SealBroken("This token belongs to another row.")
    return opened[len(prefix) :]


def _prefix(context: str) -> bytes:
    return context.encode("utf-8", "surrogatepass") + SPLIT
