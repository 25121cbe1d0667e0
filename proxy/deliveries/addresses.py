"""Where a web destination is, and how we prove there who we are: plain values, whose secrets no `repr` shows."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Auth(StrEnum):
    NONE = "none"
    BASIC = "basic"
    HEADER = "header"
    BEARER = "bearer"
    OAUTH2 = "oauth2"


@dataclass(frozen=True, slots=True)
class Credentials:
    """`user` is a user's name (basic) or the client's id (OAuth2). `secret` goes to `token_url` alone with OAuth2."""

    auth: Auth = Auth.NONE
    secret: str = field(default="", repr=False)
    user: str = ""
    header: str = "X-API-Key"
    token_url: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Trust:
    """PEM files: whose certificates we believe (None: the system's authorities), and the one that we show."""

    authorities: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


SYSTEMS = Trust()
"""Whom the system believes, and nothing to show."""


@dataclass(frozen=True, slots=True)
class Web:
    """A DICOMweb service: `url` is the root below which `/studies` lies."""

    url: str
    credentials: Credentials = Credentials()
    trust: Trust = Trust()


@dataclass(frozen=True, slots=True)
class Platform:
    """The backend. `workspace` as it told us last, or nothing: then it is asked. `pause` is in seconds, `room` in
    bytes that must stay free where the archives lie."""

    url: str
    key: str = field(repr=False)
    workspace: str
    archives: Path
    retries: int
    pause: float
    room: int
    trust: Trust = Trust()
