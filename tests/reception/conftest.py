from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from proxy.routing.match import RouteFacts, load_table
from proxy.routing.models import Destination, Project, Route
from proxy.storage import keys, space
from proxy.tiers import owners
from proxy.vault import pseudonyms


@pytest.fixture(autouse=True)
def data(tmp_path: Path) -> Iterator[Path]:
    """A data folder and keys of one's own; nobody is remembered from another test."""
    folder = tmp_path / "data"
    folder.mkdir()
    keys.ensure(tmp_path / "keys")
    pseudonyms.forget_cache()
    space._seen.clear()
    owners.forget()
    with override_settings(DATA_DIR=folder, DICOM_STORAGE_DIR=folder, KEY_DIR=tmp_path / "keys"):
        yield folder


@pytest.fixture
def route(db: None) -> RouteFacts:
    row = Route.objects.create(called_ae="DICOMRCV", project=Project.objects.create(name="default"))
    row.destinations.add(Destination.objects.create(name="outbox", kind="folder", path="outbox"))
    facts = load_table().route_for("DICOMRCV", "CT_EAST")
    assert facts is not None
    return facts
