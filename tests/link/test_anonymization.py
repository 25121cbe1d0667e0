"""`enable_phi_anonymization: false` sends originals only where the site lets the backend decide, to who may see."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import LazySettings

from proxy.backend.keeping import keep
from proxy.backend.reading import read
from proxy.web.templatetags import house
from tests.backend.said import configuration
from tests.reception.conftest import data
from tests.retrieval.test_delivering import Shelf, deliver, received, shelf, to_hospital

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["data", "shelf"]


@pytest.mark.parametrize("may_decide", [False, True])
def test_the_backend_turns_it_off_only_if_it_may(
    data: Path, shelf: tuple[Shelf, int], settings: LazySettings, may_decide: bool
) -> None:
    settings.ITH_URL, settings.ITH_DECIDES_ANONYMIZATION = "http://127.0.0.1:1", may_decide
    to_hospital(shelf[1])
    originals = received(1, 2)
    said = configuration()
    said["config"]["enable_phi_anonymization"] = False
    keep(read(said), datetime(2026, 3, 1, tzinfo=UTC))
    assert deliver().state == "delivered"
    assert (shelf[0].data == originals) == may_decide
    assert bool(set(originals) & set(shelf[0].data)) == may_decide
    assert bool(house.restored_line()) == may_decide
