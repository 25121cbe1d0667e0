"""The keys of the vault. Each use looks whether the key files are still there (promise 1: fail closed).

Master keys wrap (MultiFernet, so that they can rotate); the index key makes blind indexes, which stay as long
as the installation does. What is wrapped says what it is, so a token moved to another row does not open.
"""

import hmac
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from proxy.storage import keys
from proxy.storage.keys import KeysMissing, Watched

__all__ = ["Keyring", "KeysMissing", "current", "ensure_keys", "load"]

Token = bytes | memoryview  # PostgreSQL hands out views


class Keyring:
    """Shows nothing of itself; holds no key longer than its file lies there."""

    __slots__ = ("_index", "_made", "_masters", "key_dir")

    def __init__(self, key_dir: Path) -> None:
        self.key_dir = key_dir
        self._masters, self._index = Watched(key_dir, keys.MASTER), Watched(key_dir, keys.INDEX)
        self._made: tuple[Sequence[str], MultiFernet | None] = ((), None)

    def check(self) -> None:
        """Raises KeysMissing unless every key is there, whole and closed to others."""
        self._masters.lines()
        self._index.lines()

    def wrap(self, context: str, secret: bytes) -> bytes:
        return self._fernet().encrypt(_bound(context, secret))

    def unwrap(self, context: str, token: Token) -> bytes:
        return _unbound(context, _opened(self._fernet(), token))

    def rewrap(self, token: Token) -> bytes:
        """The same secret under the newest master key."""
        try:
            return self._fernet().rotate(bytes(token))
        except InvalidToken:
            raise KeysMissing(WRONG) from None

    def opens_with_newest(self, token: Token) -> bool:
        try:
            Fernet(self._masters.lines()[0]).decrypt(bytes(token))
        except InvalidToken:
            return False
        return True

    def blind(self, project_id: int, text: str) -> str:
        return self._mac("blind", project_id, text)

    def check_mac(self, project_id: int) -> str:
        return self._mac("check", project_id, "")

    def rotate_master(self) -> None:
        keys.add_master(self.key_dir)

    def old_masters(self) -> int:
        """How many would be dropped."""
        return len(self._masters.lines()) - 1

    def drop_old_masters(self) -> int:
        return keys.keep_newest_master(self.key_dir)

    def _mac(self, purpose: str, project_id: int, text: str) -> str:
        message = f"{purpose}\0{project_id}\0{text}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._index.secret(), message, "sha256").hex()

    def _fernet(self) -> MultiFernet:
        """Keys and what was made of them change as one, so that threads never pair old with new."""
        lines = self._masters.lines()
        made_of, multi = self._made
        if multi is None or lines is not made_of:
            multi = MultiFernet([Fernet(line) for line in lines])
            self._made = (lines, multi)
        return multi


WRONG = "The master keys in KEY_DIR are not those that this vault was made with; put them back from escrow."


def ensure_keys(key_dir: Path) -> list[str]:
    """Make the keys of a new installation; the names of the files made."""
    return keys.ensure(key_dir)


def load(key_dir: Path) -> Keyring:
    ring = _ring(str(key_dir))
    ring.check()
    return ring


def current() -> Keyring:
    return load(settings.KEY_DIR)


@lru_cache(maxsize=8)
def _ring(key_dir: str) -> Keyring:
    return Keyring(Path(key_dir))


def _opened(fernet: MultiFernet, token: Token) -> bytes:
    try:
        return fernet.decrypt(bytes(token))
    except InvalidToken:
        raise KeysMissing(WRONG) from None


def _bound(context: str, secret: bytes) -> bytes:
    return context.encode() + b"\0" + secret


def _unbound(context: str, plain: bytes) -> bytes:
    prefix = context.encode() + b"\0"
    if not plain.startswith(prefix):
        raise KeysMissing("A wrapped key was moved to another row; the vault was tampered with.")
    return plain[len(prefix) :]
