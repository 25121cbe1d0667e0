"""THE schema of the site file.

Each kind of object is a table of its fields; what concerns more than one field is a function below the
tables. `configure`, the admin's forms and the export use this one description.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from proxy.network.addresses import goes_in_clear
from proxy.network.quirks import QUIRKS
from proxy.routing.site import values
from proxy.routing.site.specs import DestinationSpec, GrantSpec, NodeSpec, ProjectSpec, RouteSpec
from proxy.storage.templates import complaint, parse

RIGHTS = ("store", "find", "retrieve")


@dataclass(frozen=True, slots=True)
class One:
    """A field with a single value."""

    check: values.Check
    required: bool = False


@dataclass(frozen=True, slots=True)
class Many:
    """A field with a list of values, kept sorted, each once."""

    check: values.Check


@dataclass(frozen=True, slots=True)
class Inner:
    """A field that is an object itself."""

    kind: type[Any]


Field = One | Many | Inner

FIELDS: Mapping[type[Any], Mapping[str, Field]] = {
    ProjectSpec: {
        "name": One(values.slug, required=True),
        "recipe": One(values.line_of_text(255)),
        "issuer": One(values.issuer),
        "second_approver": One(values.boolean),
    },
    NodeSpec: {
        "name": One(values.name, required=True),
        "ae_title": One(values.ae_title, required=True),
        "host": One(values.host, required=True),
        "port": One(values.port, required=True),
        "may": Many(values.one_of(*RIGHTS)),
        "view": One(values.one_of("pseudonymous", "identified")),
        "networks": Many(values.network),
        "certificate": One(values.line_of_text(255, empty=True)),
        "projects": Many(values.slug),
        "grant": Inner(GrantSpec),
        "issuer": One(values.issuer),
        "outside": One(values.boolean),
        "on_hold": One(values.one_of("success", "refuse")),
        "tls": One(values.tls),
        "quirks": Many(values.one_of(*QUIRKS)),
    },
    GrantSpec: {
        "purpose": One(values.line_of_text(255), required=True),
        "until": One(values.day, required=True),
    },
    DestinationSpec: {
        "name": One(values.name, required=True),
        "kind": One(values.one_of("backend", "dicomweb", "dimse", "folder"), required=True),
        "node": One(values.name),
        "path": One(values.folder),
        "zip": One(values.boolean),
        "template": One(values.template),
        "associations": One(values.number(1, 16)),
        "commitment": One(values.boolean),
        "url": One(values.web_address),
        "auth": One(values.one_of("none", "basic", "header", "bearer", "oauth2")),
        "secret": One(values.secret_name),
        "header": One(values.header_name),
        "user": One(values.ascii_line(255)),
        "token_url": One(values.web_address),
        "scope": One(values.ascii_line(255)),
        "authorities": One(values.line_of_text(255)),
        "certificate": One(values.line_of_text(255)),
        "key": One(values.line_of_text(255)),
        "insecure": One(values.boolean),
        "at_once": One(values.number(1, 64)),
        "images_per_minute": One(values.number(1, 1_000_000)),
        "megabytes_per_minute": One(values.number(1, 1_000_000)),
        "windows": Many(values.window),
    },
    RouteSpec: {
        "called_ae": One(values.ae_title, required=True),
        "calling_ae": One(values.ae_title_or_any),
        "project": One(values.slug, required=True),
        "destinations": Many(values.name),
        "review": One(values.boolean),
        "commit_when": One(values.one_of("never", "stored", "delivered")),
        "ask_counts": One(values.name),
        "priority": One(values.one_of("urgent", "routine", "bulk")),
        "exclude": Many(values.description),
    },
}
SECTIONS: Mapping[str, type[Any]] = {
    "projects": ProjectSpec,
    "nodes": NodeSpec,
    "destinations": DestinationSpec,
    "routes": RouteSpec,
}

Complaint = tuple[str, str]  # field and sentence


def rights(spec: NodeSpec) -> tuple[Any, ...]:
    """What we decide about a caller by his node."""
    no_matter = {"name", "ae_title", "host", "port", "networks", "certificate", "tls"}
    return tuple(getattr(spec, one.name) for one in fields(spec) if one.name not in no_matter)


def node_complaints(spec: NodeSpec) -> Iterator[Complaint]:
    """An identified view needs proof of who asks, projects, and a standing grant (DESIGN 6)."""
    if spec.view != "identified":
        if spec.grant:
            yield "grant", "a grant belongs to view: identified."
        return
    if not spec.certificate and not spec.networks:
        yield "view", "the identified view needs a certificate or networks: an AE title proves nothing."
    if not spec.certificate and any(one.endswith("/0") for one in spec.networks):
        yield "networks", "the identified view needs a fixed network, not the whole world."
    if not spec.projects:
        yield "view", "the identified view needs a list of projects."
    if spec.grant is None:
        yield "view", "the identified view needs a grant with purpose and until."


ADDRESS = {"dimse": "node", "folder": "path", "dicomweb": "url", "backend": ""}
"""The field that says where a destination of this kind is; no other kind has it. Of the backend, ITH_URL says it."""
LOGIN = ("auth", "secret", "header", "user", "token_url", "scope")
LINE = ("authorities", "certificate", "key", "insecure")
LIMITS = ("at_once", "images_per_minute", "megabytes_per_minute")
OF_ANY = (*LIMITS, "windows")
OF_KIND = {
    "dimse": ("associations", "commitment"),
    "folder": ("zip", "template"),
    "dicomweb": (*LOGIN, *LINE),
    "backend": LINE,
}
"""Which kinds have which other fields."""


def destination_complaints(spec: DestinationSpec) -> Iterator[Complaint]:
    wanted = ADDRESS[spec.kind]
    if wanted and not getattr(spec, wanted):
        yield "kind", f"a {spec.kind} destination needs {wanted}."
    for name in _said(spec):
        if name not in (wanted, *OF_KIND[spec.kind], *OF_ANY):
            yield name, f"a {spec.kind} destination has no {name}."
    if spec.kind == "folder" and spec.template:
        yield from template_complaints(spec)
    if spec.kind == "dicomweb":
        yield from login_complaints(spec)
    if spec.kind in ("dicomweb", "backend"):
        yield from line_complaints(spec)


def _said(spec: DestinationSpec) -> list[str]:
    """The fields that differ from their default."""
    return [
        one.name
        for one in fields(spec)
        if one.default is not MISSING and getattr(spec, one.name) != one.default
    ]


def template_complaints(spec: DestinationSpec) -> Iterator[Complaint]:
    found = complaint(parse(spec.template), of_studies=spec.zip)
    if found:
        yield "template", found


def login_complaints(spec: DestinationSpec) -> Iterator[Complaint]:
    needed = {"none": (), "basic": ("user", "secret"), "oauth2": ("user", "secret", "token_url")}
    for name in needed.get(spec.auth, ("secret",)):
        if not getattr(spec, name):
            yield "auth", f"auth: {spec.auth} needs {name}."
    if spec.auth == "none" and spec.secret:
        yield "secret", "say with auth how the secret is shown: basic, header, bearer or oauth2."
    if spec.auth == "basic" and ":" in spec.user:
        yield "user", "a user of HTTP Basic has no colon."
    for name in ("token_url", "scope"):
        if getattr(spec, name) and spec.auth != "oauth2":
            yield name, f"{name} belongs to auth: oauth2."


def line_complaints(spec: DestinationSpec) -> Iterator[Complaint]:
    if spec.key and not spec.certificate:
        yield "key", "a key belongs to a certificate."
    for name in ("url", "token_url"):
        address = getattr(spec, name)
        if address and goes_in_clear(address) and not spec.insecure:
            yield name, "http:// sends images and secrets in clear; use https://, or say insecure: true."


def route_complaints(spec: RouteSpec) -> Iterator[Complaint]:
    if spec.commit_when == "delivered" and not spec.destinations:
        yield "commit_when", "nothing is ever delivered without destinations."
