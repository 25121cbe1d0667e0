from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.utils import timezone

from proxy.api import authentication, confirming, doors, house
from proxy.api.looking import Look
from proxy.api.v1 import audit, billing
from proxy.backend.models import UserRight
from proxy.link.asking import ask_once
from proxy.routing.match import load_table
from proxy.routing.models import Project, Route
from proxy.studies.models import Study
from tests import cast
from tests.backend.platform import KEY, Platform, open_platform
from tests.backend.said import configuration
from tests.cast import BEN, StudyPlan
from tests.reception.conftest import data
from tests.reception.sending import send

__all__ = ["data"]

WELL = Look({"database": True, "disk": True, "listener": True})


class Told:
    """A look that somebody has told us; nothing is asked."""

    def __init__(self, look: Look) -> None:
        self.told = look

    def look(self) -> Look:
        return self.told


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nobody has been here before."""
    doors.requests.clear()
    authentication.failures.clear()
    billing.unsigned.clear()
    confirming.forget()
    audit.verdict.forget()
    yield
    confirming.forget()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    one = Told(WELL)
    monkeypatch.setattr(house, "looker", one)
    return one


@dataclass(frozen=True)
class Clinic:
    """A backend that knows Ada the radiologist by her token, and this proxy, which has two patients' images."""

    platform: Platform
    project: Project

    @property
    def study(self) -> Study:
        """Of the patient ADA."""
        return Study.objects.order_by("pk")[0]

    @property
    def pseudonym(self) -> str:
        return self.study.patient

    @property
    def asked(self) -> list[str]:
        """Paths of the questions whose token something is."""
        return [path for path in self.platform.asked if "/workspaces/" in path]

    def lets(self, whom: str, name: str, days: int = 10) -> None:
        until = timezone.now().date() + timedelta(days=days)
        UserRight.objects.create(whom=whom, name=name, project=self.project, until=until)


TOKEN = "eyJhbGciOi.eyJzdWIiOjE3fQ.c2ln-bmF0_dXJl"
RADIOLOGIST = {"id": 17, "email": "rad@ward.example", "role": "Radiologist", "is_superuser": True}
ACTOR = "backend user 17 (rad@ward.example)"


@pytest.fixture
def clinic(db: None, data: Path, settings: LazySettings, told: Told) -> Iterator[Clinic]:
    project = Project.objects.create(name="default", recipe="research")
    Route.objects.create(called_ae="DICOMRCV", project=project)
    route = load_table().route_for("DICOMRCV", "CT_EAST")
    assert route is not None
    for plan in (StudyPlan(), StudyPlan(patient=BEN, number=2)):
        for image in (cast.ct(plan), cast.ct(plan, 2), cast.pet(plan, 1, series=2)):
            assert send(route, image) == 0
    with open_platform(configuration()) as platform:
        settings.ITH_URL, settings.ITH_TOKEN = platform.url, KEY
        platform.users[TOKEN] = RADIOLOGIST
        assert ask_once()
        yield Clinic(platform, project)
