"""Fernet tokens that know where they belong: opened for another context, or after a change, they break."""

import zlib
from typing import Final

from cryptography.fernet import Fernet, InvalidToken

from proxy.storage.errors import SealBroken

PLAIN: Final = b"\0"
DEFLATED: Final = b"\1"
SPLIT: Final = b"\0"


def encrypt(key: bytes, context: str, plain: bytes) -> bytes:
    return Fernet(key).encrypt(context.encode() + SPLIT + pack(plain))


def decrypt(key: bytes, context: str, token: bytes | memoryview) -> bytes:
    prefix = context.encode() + SPLIT
    try:
        opened = Fernet(key).decrypt(bytes(token))
    except InvalidToken:
        raise SealBroken("This token was changed or made with another key.") from None
    if not opened.startswith(prefix):
        raise SealBroken("This token belongs to another row.")
    return unpack(opened[len(prefix) :])


def pack(plain: bytes) -> bytes:
    """Deflated where that saves something."""
    smaller = zlib.compress(plain, 1)
    return DEFLATED + smaller if len(smaller) < len(plain) else PLAIN + plain


def unpack(packed: bytes) -> bytes:
    return zlib.decompress(packed[1:]) if packed[:1] == DEFLATED else packed[1:]
