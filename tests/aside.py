"""A library as one room sees it, with some names changed.

`monkeypatch.setattr(os, "fsync", broken)` breaks it for the whole process: whatever thread an earlier test has left
meets it, too. `monkeypatch.setattr(files, "os", changed(os, fsync=broken))` breaks it for one room.
"""

from types import ModuleType
from typing import Any


class _Changed(ModuleType):
    def __init__(self, library: ModuleType, names: dict[str, Any]) -> None:
        super().__init__(library.__name__)
        self.__dict__.update(names, _library=library)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_library"], name)


def changed(library: ModuleType, **names: Any) -> ModuleType:
    """Raises AttributeError for a name that the library does not have."""
    for name in names:
        getattr(library, name)
    return _Changed(library, names)
