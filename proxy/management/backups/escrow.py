"""The keys, in an archive of their own under a passphrase: it must never lie where the data lie.

Scrypt makes a key of the passphrase, AES-GCM seals a JSON object of file names and contents.
"""

import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from proxy.audit import anchors
from proxy.storage import keys
from proxy.vault import forgotten

MAGIC = b"postern keys 1\n"
SALT, NONCE = 16, 12
SHORTEST = 12
COMPARED = (keys.INDEX, keys.AUDIT)


class EscrowTrouble(Exception):
    """The asker's fault: a wrong passphrase, a wrong file, or keys that are there already."""


def fingerprints(key_dir: Path) -> dict[str, str]:
    """Show whether two sets of keys are the same, and nothing of the keys. Raises KeysMissing."""
    return {name: _fingerprint(keys.read(key_dir, name)[0].encode("ascii")) for name in COMPARED}


def names(key_dir: Path) -> list[str]:
    """Of the key files that `write` seals."""
    return sorted(_contents(key_dir))


def write(key_dir: Path, target: Path, passphrase: str) -> list[str]:
    """Seal all key files into `target`; their names."""
    if len(passphrase) < SHORTEST:
        raise EscrowTrouble(f"The passphrase needs at least {SHORTEST} characters.")
    contents = _contents(key_dir)
    salt, nonce = secrets.token_bytes(SALT), secrets.token_bytes(NONCE)
    sealed = AESGCM(_key(passphrase, salt)).encrypt(nonce, json.dumps(contents).encode(), MAGIC)
    _write_new(target, MAGIC + salt + nonce + sealed)
    return sorted(contents)


def put_back(source: Path, key_dir: Path, passphrase: str) -> list[str]:
    """Lay the sealed keys into KEY_DIR; other keys that are there are never replaced. To the list of the forgotten,
    which may have grown since, what is missing is added."""
    contents = _open(source, passphrase)
    clash = [name for name in keys.MAKERS if _differs(key_dir / name, contents.get(name))]
    if clash:
        raise EscrowTrouble(f"KEY_DIR holds other keys already ({', '.join(clash)}); move them away first.")
    for name, content in contents.items():
        if name in {forgotten.NAME, Path(settings.FORGOTTEN_FILE).name}:
            forgotten.add(content)
        else:
            keys.replace(key_dir, name, content)
    return sorted(contents)


def _contents(key_dir: Path) -> dict[str, str]:
    """Anchors are no keys: an older copy would take the place of what was anchored since."""
    files = [file for file in key_dir.iterdir() if file.is_file() and not file.name.startswith(".")]
    files = [file for file in files if file != anchors.file()]
    return {file.name: file.read_text(encoding="ascii") for file in files}


def _differs(file: Path, content: str | None) -> bool:
    return file.exists() and file.read_text(encoding="ascii") != content


def _open(source: Path, passphrase: str) -> dict[str, str]:
    """Only names of plain files come out of it."""
    data = source.read_bytes()
    salt_at, nonce_at = len(MAGIC), len(MAGIC) + SALT
    if not data.startswith(MAGIC):
        raise EscrowTrouble("This file is no archive of keys.")
    cipher = AESGCM(_key(passphrase, data[salt_at:nonce_at]))
    try:
        plain = cipher.decrypt(data[nonce_at : nonce_at + NONCE], data[nonce_at + NONCE :], MAGIC)
    except (InvalidTag, ValueError):
        raise EscrowTrouble("The passphrase is wrong, or the file is damaged.") from None
    contents: dict[str, str] = json.loads(plain)
    return {name: content for name, content in contents.items() if name == Path(name).name}


def _key(passphrase: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        passphrase.encode("utf-8"), salt=salt, n=1 << 15, r=8, p=1, maxmem=1 << 26, dklen=32
    )


def _fingerprint(key: bytes) -> str:
    return hmac.new(key, b"postern backup", "sha256").hexdigest()


def _write_new(target: Path, data: bytes) -> None:
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(handle)
