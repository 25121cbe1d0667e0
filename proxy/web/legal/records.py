"""The records of processing that the configuration can tell: what comes in, what stays in it, who gets it, how long.

What only persons know (who the controller is, on which legal basis) is left for them to write. No image and no person
is looked at: these are facts of the site, not of its patients.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings

from proxy.backend.models import UserRight
from proxy.deid import load_recipe
from proxy.deid.errors import RecipeError
from proxy.deid.recipe import Recipe
from proxy.routing.models import Destination, Node, Project, Route
from proxy.tiers.models import Customer

OPTIONS: Final[Mapping[str, str]] = {
    "safe-private": "private elements that are known to be safe",
    "uids": "UIDs as they were",
    "device": "identity of the device",
    "institution": "identity of the institution",
    "patient-characteristics": "characteristics of the patient, such as age, sex and weight",
    "full-dates": "full dates as they were",
    "modified-dates": "dates, moved by a secret number of days for each person",
    "clean-descriptors": "descriptions, with what identifies somebody cut out",
    "clean-structured-content": "structured content, with what identifies somebody cut out",
    "clean-graphics": "graphics, with what identifies somebody cut out",
    "clean-pixel": "pixels, with regions of text made black",
}
"""What stays in the images for each option of PS3.15 that a recipe may take."""


@dataclass(frozen=True, slots=True)
class Activity:
    """One project: one purpose, one set of pseudonyms."""

    project: str
    recipe: str
    edition: str
    stays: tuple[str, ...]
    gates: tuple[str, ...]
    called: tuple[str, ...]
    has_second_approver: bool


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whoever gets images or answers, in which form, and how they are reached."""

    name: str
    kind: str
    where: str
    form: str
    is_encrypted: bool


@dataclass(frozen=True, slots=True)
class Record:
    at: datetime
    activities: tuple[Activity, ...]
    senders: tuple[str, ...]
    recipients: tuple[Recipient, ...]
    lookers: tuple[str, ...]
    terms: tuple[tuple[str, str], ...]
    measures: tuple[str, ...]


def look(now: datetime) -> Record:
    projects = Project.objects.filter(retired_at=None).order_by("name")
    return Record(
        at=now,
        activities=tuple(_activity(one) for one in projects),
        senders=tuple(_senders()),
        recipients=(*_destinations(), *_askers(), *_syslog()),
        lookers=tuple(_lookers(now)),
        terms=tuple(_terms()),
        measures=tuple(_measures()),
    )


# --- what is done ---------------------------------------------------------------------------------


def _activity(project: Project) -> Activity:
    called = Route.objects.filter(project=project, retired_at=None).order_by("called_ae")
    recipe = _recipe(project.recipe)
    return Activity(
        project=project.name,
        recipe=project.recipe,
        edition=recipe.edition if recipe else "",
        stays=_stays(recipe),
        gates=tuple(f"{gate}: {what}" for gate, what in sorted(recipe.gates.items())) if recipe else (),
        called=tuple(called.values_list("called_ae", flat=True)),
        has_second_approver=project.second_approver,
    )


def _recipe(name: str) -> Recipe | None:
    try:
        return load_recipe(name)
    except RecipeError:
        return None


def _stays(recipe: Recipe | None) -> tuple[str, ...]:
    if recipe is None:
        return ("The recipe cannot be read, so nothing is received.",)
    options = [OPTIONS.get(one, one) for one in sorted(recipe.options)]
    rules = [f"what {len(recipe.lines)} rules of the recipe say"] if recipe.lines else []
    unknown = ["elements that no rule names"] if recipe.unknown == "keep" else []
    return (*options, *rules, *unknown)


# --- whom it concerns ------------------------------------------------------------------------------


def _senders() -> Iterator[str]:
    if settings.DICOM_MODE == "public":
        yield "anybody who reaches the listener (DICOM_MODE=public)"
    for one in Node.objects.filter(retired_at=None).order_by("name"):
        if "store" in one.may:
            yield f"{one.name} ({one.ae_title} at {one.host})"
    for customer in Customer.objects.filter(retired_at=None).order_by("name"):
        yield f"customer {customer.name} of the service, over HTTP"


def _destinations() -> Iterator[Recipient]:
    rows = Destination.objects.filter(retired_at=None).select_related("node").order_by("name")
    for one in rows:
        is_restored = (
            not settings.DICOM_ANONYMIZE_PATIENTS
            and one.node is not None
            and one.node.view == Node.IDENTIFIED
        )
        where, is_encrypted = _reached(one)
        form = "identified" if is_restored else "pseudonymous"
        yield Recipient(one.name, one.get_kind_display(), where, form, is_encrypted)


def _reached(one: Destination) -> tuple[str, bool]:
    if one.node is not None:
        return f"{one.node.host}:{one.node.port}", one.node.tls != Node.OFF
    if one.kind == Destination.FOLDER:
        return one.path, True
    url = one.url if one.kind == Destination.DICOMWEB else settings.ITH_URL
    return _host(url), url.startswith("https://")


def _host(url: str) -> str:
    """Without what may be a secret in it."""
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2]


def _askers() -> Iterator[Recipient]:
    for one in Node.objects.filter(retired_at=None).order_by("name"):
        if {"find", "retrieve"} & set(one.may):
            where = f"{one.host}:{one.port}"
            yield Recipient(one.name, f"may {', '.join(one.may)}", where, one.view, one.tls != Node.OFF)


def _syslog() -> Iterator[Recipient]:
    """Pseudonyms, and who looked behind them."""
    if settings.AUDIT_SYSLOG:
        yield Recipient("syslog", "entries of the audit", settings.AUDIT_SYSLOG, "pseudonymous", True)


def _lookers(now: datetime) -> Iterator[str]:
    """Who may see identities, apart from staff with the permission, who are named on the page of users."""
    for one in Node.objects.filter(retired_at=None, view=Node.IDENTIFIED).order_by("name"):
        grant = one.grant or {}
        yield f"node {one.name}, for {grant.get('purpose', 'no purpose')}, until {grant.get('until', 'no day')}"
    rights = UserRight.objects.filter(until__gte=now.date()).select_related("project").order_by("pk")
    for right in rights:
        yield f"{right.get_whom_display()} {right.name} of the backend, in {right.project.name}, until {right.until}"


# --- how long, and how guarded ---------------------------------------------------------------------


def _terms() -> Iterator[tuple[str, str]]:
    yield "clean images", f"{settings.RETENTION_FILES} days after they were delivered everywhere"
    yield "seals, from which originals can be restored", _days(settings.RETENTION_SEALS)
    yield "originals in quarantine, encrypted", _days(settings.RETENTION_QUARANTINE)
    yield "who a pseudonym is", "until the person is forgotten"
    yield "the audit", _days(settings.RETENTION_AUDIT)


def _days(count: int) -> str:
    return f"{count} days" if count else "without a term"


def _measures() -> Iterator[str]:
    yield "Names, numbers and UIDs are replaced by keyed pseudonyms before an image is written to disk."
    yield "Originals are sealed under a key of each person; keys lie apart from the data."
    yield "A person is forgotten for good by destroying their key."
    yield "Each look at an identity has a purpose and leaves a mark in a chain that shows what is done to it."
    yield f"One asker looks up at most {settings.IDENTITY_PERSONS_PER_HOUR or 'any number of'} persons within an hour."
    yield f"The listener is {settings.DICOM_MODE}; {_tls()}."
    if not settings.DICOM_ANONYMIZE_PATIENTS:
        yield "DICOM_ANONYMIZE_PATIENTS=False: destinations of the identified view get restored images."


def _tls() -> str:
    if not settings.DICOM_TLS_CERTIFICATE:
        return "it speaks DICOM without TLS only"
    return "it offers TLS, " + ("mutual" if settings.DICOM_TLS_MUTUAL else "without asking for certificates")
