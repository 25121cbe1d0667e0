"""A user of the backend asks a real house who somebody is: refused, given a right, told, limited, named in no log."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from tests import cast
from tests.backend.platform import KEY, Platform, open_platform
from tests.backend.said import configuration
from tests.house import House
from tests.journeys import help as journey
from tests.management import test_serve as serve

pytestmark = [pytest.mark.journey, pytest.mark.peers]
TOKEN = "eyJhbGciOi.eyJzdWIiOjE3fQ.c2lnbmF0dXJl"
USER = {"id": 17, "email": "rad@ward.example", "role": "radiologist"}
SITE = """
projects: [{name: default, recipe: basic}]
routes: [{called_ae: DICOMRCV, project: default}]
"""
GIVE = """
from datetime import date
from proxy.backend.models import UserRight
from proxy.routing.models import Project
UserRight.objects.create(whom="role", name="radiologist", project=Project.objects.get(), until=date(2099, 1, 1))
"""


@pytest.fixture
def platform(house: House) -> Iterator[Platform]:
    with open_platform(configuration()) as one:
        one.users[TOKEN] = USER
        house.env.update(ITH_URL=one.url, ITH_TOKEN=KEY, API_REQUESTS_PER_MINUTE="30")
        yield one


def asked(house: House, path: str, body: object = None, token: str = TOKEN) -> tuple[int, dict[str, Any]]:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{house.api_port}{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.loads(refused.read())


@pytest.mark.timeout(400)
def test_promise_9_who_it_is_is_told_for_a_right_and_a_purpose_and_marked(
    house: House, platform: Platform, tmp_path: Path
) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    configured = house.command("configure", str(tmp_path / "site.yaml"))
    assert configured.returncode == 0, configured.stderr
    house.start("serve", "--only", "web", "listen", "link")
    journey.wait_until(lambda: serve.is_open(house.dicom_port) and serve.is_open(house.api_port), "it serves")
    journey.wait_until(lambda: asked(house, "/api/health/")[0] == 200, "it is well")
    assert journey.sent_safely(house, cast.save(cast.ct(), tmp_path))
    journey.wait_until(lambda: asked(house, "/api/status/")[0] == 200, "the backend has said who we are")

    [file] = journey.dicom_files(house.data / "studies")
    clean = dcmread(file)
    wish = {"study_instance_uid": str(clean.StudyInstanceUID), "purpose": "recall of trial 7"}
    assert asked(house, "/api/phi-metadata/", wish, token="made-up")[0] == 401
    refused = asked(house, "/api/phi-metadata/", wish)
    assert (refused[0], refused[1]["code"]) == (403, "no-right")
    assert house.command("shell", "-c", GIVE).returncode == 0
    status, said = asked(house, "/api/phi-metadata/", wish)
    assert status == 200 and said["original_patient_id"] == cast.ADA.id
    assert said["study_phi"]["AccessionNumber"] == cast.StudyPlan().accession
    assert [asked(house, "/api/phi-metadata/", {})[0] for _ in range(40)][-1] == 429
    assert asked(house, "/api/health/")[0] == 200

    marks = "SELECT count(*) FROM audit_entry WHERE actor = 'backend user 17 (rad@ward.example)' AND action = '{}'"
    assert journey.count(house, marks.format("identity.refused")) == 1
    assert journey.count(house, marks.format("identity.found")) == 1
    assert house.command("verify_audit").returncode == 0
    assert not journey.leaks(house, [*cast.ADA.needles, cast.REFERRER, TOKEN])
