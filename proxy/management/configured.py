"""Settings are configuration too: a process that starts under others than the last one of its kind leaves a mark.

The mark names what changed and holds a keyed digest of each value that was given, so that the next start knows it
again; no value can be read out of it. Recipes that the site keeps in files count like settings.
"""

import hmac
from collections.abc import Iterator, Mapping
from typing import Final

from django.core.management import CommandError

from config import reading
from proxy.audit.actions import CONFIGURATION_CHANGED
from proxy.audit.keyfile import audit_key
from proxy.audit.models import Entry
from proxy.audit.record import record
from proxy.deid.errors import RecipeError
from proxy.deid.fingerprint import fingerprint
from proxy.deid.recipe import load_recipe
from proxy.management.turn import only_one
from proxy.routing.models import Project
from proxy.routing.site.recipes import is_file_name
from proxy.storage.keys import KeysMissing

Digests = Mapping[str, str]
LENGTH: Final = 16
"""Hexadecimal digits of a digest: enough to notice a change, and too few to prove a guess beyond doubt."""


def mark(process: str) -> None:
    """Say what changed since a process of this name was started last. Raises CommandError: it may not start."""
    try:
        now = _digests()
        if now != _last(process):
            _write(process, now)
    except KeysMissing as trouble:
        raise CommandError(f"The settings have changed, and the audit cannot say so: {trouble}") from None


def changes(before: Digests | None, now: Digests) -> list[str]:
    if before is None:
        return [f"first seen, with {', '.join(sorted(now)) or 'nothing but defaults'}"]
    said = [f"{name} set" for name in now if name not in before]
    said += [f"{name} back to its default" for name in before if name not in now]
    return sorted(said + [f"{name} changed" for name in now if before.get(name, now[name]) != now[name]])


def _write(process: str, now: Digests) -> None:
    """Of several that start at once, one."""
    with only_one():
        before = _last(process)
        if now != before:
            detail = {"changes": changes(before, now), "digests": now}
            record(CONFIGURATION_CHANGED, actor="start", subject=_subject(process), detail=detail)


def _last(process: str) -> Digests | None:
    known = Entry.objects.filter(action=CONFIGURATION_CHANGED, subject=_subject(process)).order_by(
        "-sequence"
    )
    found = known.values_list("detail", flat=True).first()
    return None if found is None else dict(found.get("digests", {}))


def _subject(process: str) -> str:
    return f"settings of {process}"


def _digests() -> Digests:
    key = audit_key()
    return {name: _digest(key, name, value) for name, value in (*_settings(), *_recipes())}


def _digest(key: bytes, name: str, value: str) -> str:
    return hmac.new(key, f"setting\0{name}\0{value}".encode(), "sha256").hexdigest()[:LENGTH]


def _settings() -> Iterator[tuple[str, str]]:
    for name in sorted(reading.asked):
        if (value := reading.raw(name)) is not None:
            yield name, value


def _recipes() -> Iterator[tuple[str, str]]:
    """Projects keep their pseudonyms and numbers for good; the name of a recipe's file is the site's own."""
    for number, recipe in Project.objects.order_by("pk").values_list("pk", "recipe"):
        if is_file_name(recipe):
            yield f"the recipe of project {number}", _said(recipe)


def _said(recipe: str) -> str:
    try:
        return fingerprint(load_recipe(recipe))
    except RecipeError:
        return "cannot be read"
