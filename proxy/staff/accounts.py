"""Who may do what is configuration: each change of a user or a group leaves its mark, whoever makes it.

The pages, `createsuperuser` and a shell all save the same models, and Django's signals tell of each of them; not of
`QuerySet.update`, `bulk_create` and raw SQL. `save` becomes one transaction with its mark, because `post_save` comes
when Django's own has ended. Passwords are `proxy/web/logins.py`'s.
"""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Final

from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save

from proxy.audit.acting import who_acts
from proxy.audit.actions import CONFIGURATION_CHANGED
from proxy.audit.record import record

Kind = type[User] | type[Group]
UNTOLD: Final = frozenset({"id", "password", "last_login", "date_joined"})
MEMBERSHIPS: Final = {
    User.groups.through: "groups",
    User.user_permissions.through: "permissions",
    Group.permissions.through: "permissions",
}
DONE: Final = {"post_add": "added", "post_remove": "removed", "pre_clear": "all removed"}
BEFORE: Final = "_postern_before"


def connect() -> None:
    for kind in (User, Group):
        setattr(kind, "save", _in_one(kind.save))  # noqa: B010 - which mypy would have as an assignment to a method
        pre_save.connect(_remember, sender=kind, dispatch_uid="postern audit")
        post_save.connect(_saved, sender=kind, dispatch_uid="postern audit")
        post_delete.connect(_deleted, sender=kind, dispatch_uid="postern audit")
    for membership in MEMBERSHIPS:
        m2m_changed.connect(_membership, sender=membership, dispatch_uid="postern audit")


def _in_one(save: Callable[..., None]) -> Callable[..., None]:
    @wraps(save)
    def whole(self: Model, *args: Any, **kwargs: Any) -> None:
        with transaction.atomic():
            save(self, *args, **kwargs)

    return whole


def _remember(sender: Kind, instance: Model, **more: Any) -> None:
    """How it stands in the database; nothing, if it does not yet."""
    only = more.get("update_fields")
    names = [name for name in _told(sender) if only is None or name in only]
    rows = sender._default_manager.filter(pk=instance.pk).values(*names) if names and instance.pk else ()
    setattr(instance, BEFORE, next(iter(rows), {}))


def _saved(sender: Kind, instance: Any, created: bool, **more: Any) -> None:
    before = getattr(instance, BEFORE, {})
    if created:
        _mark(instance, _made(instance))
    elif changed := [name for name, value in before.items() if getattr(instance, name) != value]:
        _mark(instance, "updated: " + ", ".join(_words(instance, changed)))


def _deleted(sender: Kind, instance: Any, **more: Any) -> None:
    _mark(instance, "deleted")


def _membership(
    sender: Any,
    instance: Any,
    action: str,
    reverse: bool,
    model: Any,
    pk_set: Iterable[int] | None,
    **more: Any,
) -> None:
    if action not in DONE or not (pk_set or action == "pre_clear"):
        return
    others = model._default_manager.filter(pk__in=pk_set) if pk_set else ()
    if reverse and action != "pre_clear":
        for one in others:
            _mark(one, f"{MEMBERSHIPS[sender]} {DONE[action]}: {_name(instance)}")
    else:
        names = ": " + ", ".join(sorted(_name(one) for one in others)) if others else ""
        _mark(instance, f"{'members' if reverse else MEMBERSHIPS[sender]} {DONE[action]}{names}")


def _mark(instance: Any, what: str) -> None:
    subject = f"{instance._meta.model_name} {_name(instance)}"
    record(
        CONFIGURATION_CHANGED,
        actor=who_acts(),
        subject=subject,
        detail={"changes": [f"{subject} {what}"]},
    )


def _made(instance: Any) -> str:
    may = "may do everything" if getattr(instance, "is_superuser", False) else ""
    return f"created, who {may}" if may else "created"


def _words(instance: Any, fields: Iterable[str]) -> Iterable[str]:
    """Of a switch also how it stands now; other values stay where they are."""
    for name in fields:
        value = getattr(instance, name)
        yield f"{name} {'on' if value else 'off'}" if isinstance(value, bool) else name


def _told(kind: Kind) -> list[str]:
    return [field.attname for field in kind._meta.concrete_fields if field.name not in UNTOLD]


def _name(one: Any) -> str:
    if isinstance(one, Permission):
        return f"{one.content_type.app_label}.{one.codename}"
    return str(one.get_username() if isinstance(one, User) else one.name)
