from collections.abc import Iterator

import pytest


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, list[str]]]]:
    """What the audit would hear of changes of the configuration."""
    heard: list[tuple[str, list[str]]] = []
    from proxy.routing.site import keeping

    monkeypatch.setattr(keeping, "tell", lambda actor, sentences: heard.append((actor, sentences)))
    yield heard
