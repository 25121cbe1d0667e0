"""What the doctor says of destinations of the web; no secret goes over a line that others can read along."""

import pytest
from django.conf import LazySettings

from proxy.management.doctor import webs
from proxy.routing.models import Destination, Project, Route
from tests.backend.faults import GOSSIP
from tests.backend.serving import Reply, Request, serving
from tests.cluster import free_port

pytestmark = pytest.mark.django_db

SECRET = "s3cret-of-the-cloud"


@pytest.fixture(autouse=True)
def a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION_CLOUD", SECRET)


def a_cloud(url: str, **more: object) -> Destination:
    fields = {"auth": "bearer", "secret": "DESTINATION_CLOUD", **more}
    return Destination.objects.create(name="cloud", kind="dicomweb", url=url, **fields)


def said() -> str:
    found = "\n".join(str(finding) for finding in webs.examine_webs())
    assert SECRET not in found
    assert GOSSIP.decode() not in found
    return found


@pytest.mark.parametrize("status", [200, 204, 404, 405])
def test_one_that_answers_is_well(status: int) -> None:
    with serving(lambda request: Reply(status, GOSSIP)) as server:
        a_cloud(server.url)
        assert said() == f"ok    web-peer: cloud answers (HTTP {status})."
    assert server.heard[0].headers["Authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    ("status", "what"), [(401, "credentials"), (403, "right"), (302, "redirects"), (503, "503")]
)
def test_one_that_would_take_nothing_is_not(status: int, what: str) -> None:
    with serving(lambda request: Reply(status, GOSSIP)) as server:
        a_cloud(server.url)
        assert said().startswith("FAIL  web-peer: cloud: The destination ")
        assert what in said()


def test_one_that_is_not_there_is_said() -> None:
    a_cloud(f"http://127.0.0.1:{free_port()}")
    assert "connection refused" in said()


def test_a_secret_that_is_set_nowhere_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DESTINATION_CLOUD")
    a_cloud("https://dicom.example")
    assert "set DESTINATION_CLOUD, or DESTINATION_CLOUD_FILE" in said()


def test_a_line_in_clear_is_warned_of_and_gets_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(request: Request) -> Reply:
        return Reply(401)

    with serving(answers) as server:
        a_cloud(server.url, insecure=True)
        for module in ("proxy.management.doctor.webs", "proxy.deliveries.agents.web.probe"):
            monkeypatch.setattr(f"{module}.goes_in_clear", lambda url: True)
        found = said()
    assert "WARN  web-peer: destination cloud is sent images in clear" in found.replace("warn", "WARN")
    assert "ok    web-peer: cloud answers (HTTP 401)." in found
    assert "Authorization" not in server.heard[0].headers


def test_one_that_is_retired_is_left_alone() -> None:
    row = a_cloud(f"http://127.0.0.1:{free_port()}")
    Destination.objects.filter(pk=row.pk).update(retired_at="2026-01-01T00:00Z")
    assert said() == ""


def test_the_backend_without_its_settings_is_said(settings: LazySettings) -> None:
    settings.ITH_URL = settings.ITH_TOKEN = ""
    Destination.objects.create(name="backend", kind="backend")
    assert "set ITH_URL and ITH_TOKEN" in said()


def test_a_backend_in_clear_is_refused_or_warned_of(settings: LazySettings) -> None:
    settings.ITH_URL, settings.ITH_TOKEN = "http://backend.example", SECRET
    row = Destination.objects.create(name="backend", kind="backend")
    assert said().startswith("FAIL  web-peer: destination backend gets nothing")
    Destination.objects.filter(pk=row.pk).update(insecure=True)
    assert "in clear" in said()


def test_a_backend_that_no_route_goes_to_is_said(settings: LazySettings) -> None:
    settings.ITH_URL, settings.ITH_TOKEN = "https://backend.example", SECRET
    row = Destination.objects.create(name="backend", kind="backend")
    assert "no route delivers to the backend" in said()
    project = Project.objects.create(name="default")
    Route.objects.create(called_ae="DICOMRCV", project=project).destinations.add(row)
    assert said() == ""
