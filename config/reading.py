"""Read one setting from the environment, from a file named by `NAME_FILE`, or from `.env`.

What cannot be read stops the start with one sentence that names the setting and says what is wanted.
Values of secrets never appear in that sentence.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import environ

from proxy.storage.keys import KeysMissing

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}
SAMPLE_SECRETS = {"change-me", "changeme", "your-secret-key", "your-secure-password", "secret", "insecure"}

SHORTEST_SECRET = 16
CUSTOMER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,47}")
API_KEY = re.compile(r"[0-9A-Fa-f]{32,128}")
API_KEYS = (
    "give customer:key, separated by commas; a customer's name has letters, digits, - and _ (at most 48), a key has "
    "32 to 128 hexadecimal digits (openssl rand -hex 32)."
)
FEWEST_DIGITS = 6  # different ones, of a key that came by chance


class WrongSetting(SystemExit):
    """A setting that cannot be read: the process ends with this sentence."""


def refuse(name: str, why: str) -> NoReturn:
    raise WrongSetting(f"Setting {name}: {why}")


_from_file: set[str] = set()


def load_env_file(path: Path) -> None:
    before = set(os.environ)
    if path.is_file():
        environ.Env.read_env(str(path))
    _from_file.update(set(os.environ) - before)


def surroundings() -> dict[str, str]:
    """The environment without `.env`: a process of ours that starts with it reads that file as it is by then."""
    return {name: value for name, value in os.environ.items() if name not in _from_file}


asked: set[str] = set()
"""The names of all that was ever read."""


def raw(name: str) -> str | None:
    """The value as text; an empty one counts as not given."""
    asked.add(name)
    file = os.environ.get(f"{name}_FILE")
    if file:
        return _content(name, Path(file))
    value = os.environ.get(name, "").strip()
    return value or None


def _content(name: str, file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        refuse(f"{name}_FILE", "this file cannot be read; check its path and permissions.")


def text(name: str, default: str) -> str:
    value = raw(name)
    return default if value is None else value


def words(name: str, default: Sequence[str]) -> list[str]:
    value = raw(name)
    return list(default) if value is None else [word.strip() for word in value.split(",") if word.strip()]


def boolean(name: str, default: bool) -> bool:
    value = raw(name)
    if value is None:
        return default
    if value.lower() in TRUE | FALSE:
        return value.lower() in TRUE
    refuse(name, "say True or False.")


def number(name: str, default: int, *, low: int, high: int) -> int:
    value = raw(name)
    if value is None:
        return default
    if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
        refuse(name, f"give a whole number from {low} to {high}.")
    return int(value)


def choice(name: str, default: str, allowed: Sequence[str]) -> str:
    value = text(name, default)
    for one in allowed:
        if value.lower() == one.lower():
            return one
    refuse(name, f"choose one of {', '.join(allowed)}.")


def time_zone(name: str, default: str) -> str:
    """The name of one that this machine knows."""
    value = text(name, default)
    try:
        return ZoneInfo(value).key
    except (KeyError, ValueError, OSError):
        refuse(name, "give the name of a time zone, such as Europe/Berlin.")


def ae_title(name: str, default: str, *, empty: bool = False) -> str:
    """An AE title: 1 to 16 characters, no backslash or control character (PS3.5 6.2)."""
    value = text(name, default)
    if (empty and not value) or (
        0 < len(value) <= 16 and value.isascii() and value.isprintable() and "\\" not in value
    ):
        return value
    refuse(name, "an AE title has 1 to 16 printable ASCII characters and no backslash.")


def url(name: str, default: str) -> str:
    value = text(name, default).rstrip("/")
    if value and (urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).hostname):
        refuse(name, "give an address that begins with http:// or https://.")
    return value


def host_and_port(name: str, default: str) -> str:
    """Such as syslog.example.org:6514, or [2001:db8::1]:6514."""
    value = text(name, default)
    host, _, port = value.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host.replace(":", " ")
    if value and not (
        bare and " " not in bare and port.isascii() and port.isdigit() and 0 < int(port) < 65536
    ):
        refuse(name, "give a host and a port such as syslog.example.org:6514.")
    return value


def networks(name: str, default: Sequence[str]) -> list[IPv4Network | IPv6Network]:
    """Addresses and networks in CIDR form, separated by commas."""
    try:
        return [ip_network(one) for one in words(name, default)]
    except ValueError:
        refuse(name, "give addresses or networks such as 10.0.0.5 or 10.0.0.0/24, separated by commas.")


def api_keys(name: str, default: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pairs of a customer and their key, `customer:key`, separated by commas. None of them is quoted."""
    pairs = [tuple(part.strip() for part in one.partition(":")[::2]) for one in words(name, [])]
    if not all(CUSTOMER.fullmatch(customer) and API_KEY.fullmatch(key) for customer, key in pairs):
        refuse(name, API_KEYS)
    if any(len(set(key.lower())) < FEWEST_DIGITS for _, key in pairs):
        refuse(name, "a key here is a sample, or could be guessed; make it with: openssl rand -hex 32")
    if len({key for _, key in pairs}) < len(pairs):
        refuse(name, "two entries have the same key; each customer has keys of their own.")
    return [(customer, key) for customer, key in pairs] or list(default)


def path(name: str, default: str | Path, *, base: Path) -> Path:
    """A path; a relative one is meant from the project's folder, wherever the command was started."""
    return (base / Path(text(name, str(default))).expanduser()).resolve()


def kept(name: str, read_or_make: Callable[[Path], str], folder: Path) -> str:
    """A secret that lies in a folder of ours."""
    try:
        return read_or_make(folder)
    except KeysMissing as trouble:
        refuse(name, str(trouble))
    except OSError as error:
        refuse(name, f"keys cannot be kept in {folder}: {error.strerror}.")


def refuse_in_production(secret_key: str, postgres_password: str) -> None:
    for name, value in (("SECRET_KEY", secret_key), ("POSTGRES_PASSWORD", postgres_password)):
        if value.lower() in SAMPLE_SECRETS:
            refuse(
                name,
                "this is the sample value; put a secret of your own there, or set DEBUG=True to try things out.",
            )


def refuse_keys_below(key_dir: Path, folders: Mapping[str, Path]) -> None:
    """Promise 8: who takes one of these folders, or its backup, must not have the keys with it."""
    for name, folder in folders.items():
        if key_dir.is_relative_to(folder):
            refuse("KEY_DIR", f"keys may not lie under {name}; choose a folder outside, backed up apart.")


def refuse_short_seals(seals: int, files: int) -> None:
    """An image whose seal is gone cannot be restored, and nothing made from it comes home."""
    if 0 < seals < files:
        refuse(
            "RETENTION_SEALS", f"seals stay at least as long as files ({files} days); 0 keeps them for good."
        )


def refuse_unreachable_mail(to: Sequence[str], host: str, sender: str) -> None:
    """Whoever wants mail gets it, or hears at the start why not. Addresses are plain ones, so no name stands there."""
    for one in (*to, *([sender] if to else [])):
        if one.count("@") != 1 or not one.isascii() or not one.isprintable() or set(one) & set(' <>,;"()'):
            refuse(
                "ALERT_EMAIL_TO" if one in to else "EMAIL_FROM",
                "give plain addresses such as pacs@example.org.",
            )
    if to and not host:
        refuse("ALERT_EMAIL_TO", "mail needs a server: set EMAIL_HOST.")


def refuse_unsigned_webhook(address: str, secret: str) -> None:
    """An alert that anybody could have made up is worse than none."""
    if address and len(secret) < SHORTEST_SECRET:
        refuse(
            "ALERT_WEBHOOK_SECRET", f"give at least {SHORTEST_SECRET} characters that the webhook knows too."
        )


def refuse_half_billing(key: str, price: str, annual: str, webhook: str) -> None:
    """Whoever takes money must hear that it was paid. Without any of these there is no billing."""
    if not (key or price or annual or webhook):
        return
    needed = {"STRIPE_API_KEY": key, "STRIPE_PRICE_ID": price, "STRIPE_WEBHOOK_SECRET": webhook}
    for name, value in needed.items():
        if not value:
            refuse(
                name,
                "billing needs STRIPE_API_KEY, STRIPE_PRICE_ID and STRIPE_WEBHOOK_SECRET; or none of them.",
            )
