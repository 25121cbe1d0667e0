"""Fields that hold something wrapped under the master keys: rotation wraps it anew, else dropping old keys destroys it.

The vault's own stand here; a room above joins with its own in its `AppConfig.ready`.
"""

from django.db.models import Model

from proxy.vault.models import Memo, Person, ProjectKey

Field = tuple[type[Model], str]

_fields: list[Field] = [(ProjectKey, "wrapped"), (Person, "wrapped_key"), (Memo, "wrapped")]


def join(model: type[Model], field: str) -> None:
    if (model, field) not in _fields:
        _fields.append((model, field))


def fields() -> tuple[Field, ...]:
    return tuple(_fields)
