"""Who comes in, with which right and view, and what they hear if they do not."""

import base64
import gzip
import json
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from proxy.audit.models import Entry
from proxy.backend.models import Standing
from proxy.routing import tokens
from proxy.routing.models import Node, NodeToken
from tests.dicomweb.conftest import Site

STUDIES = "/dicomweb/studies"
probed = pytest.mark.urls("tests.dicomweb.probe")


def problem(answer: Any) -> tuple[int, str]:
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Cache-Control"] == "no-store"
    return answer.status_code, json.loads(answer.content)["code"]


@probed
def test_a_node_comes_in_by_its_token(site: Site) -> None:
    answer = site.client.get(STUDIES, **site.headers("VIEWER"))
    assert (answer.status_code, json.loads(answer.content)) == (200, [{"who": "node VIEWER"}])
    assert answer["Content-Type"] == "application/dicom+json"
    assert answer["Cache-Control"] == "no-store"


@probed
def test_or_with_the_token_as_a_password(site: Site) -> None:
    word = base64.b64encode(f"whoever:{site.token('VIEWER')}".encode()).decode()
    assert site.client.get(STUDIES, HTTP_AUTHORIZATION=f"Basic {word}").status_code == 200


@probed
@pytest.mark.parametrize(
    "said",
    [
        "Bearer postern_" + "A" * 43,
        "Bearer ",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        "Digest username=x",
        "Bearer " + "A" * 9_000,
        "Basic " + "A" * 9_000,
    ],
)
def test_what_is_no_token_is_refused_and_quoted_nowhere(site: Site, said: str) -> None:
    answer = site.client.get(STUDIES, HTTP_AUTHORIZATION=said)
    assert problem(answer) == (401, "not-authenticated")
    assert said.rsplit(maxsplit=1)[-1][:40].encode() not in answer.content or len(said) < 10
    assert answer["WWW-Authenticate"].startswith("Bearer")


@probed
def test_nobody_comes_in_without_one(site: Site) -> None:
    assert problem(site.client.get(STUDIES)) == (401, "not-authenticated")


@probed
def test_whoever_guesses_waits(site: Site) -> None:
    for _ in range(10):
        site.client.get(STUDIES, HTTP_AUTHORIZATION="Bearer guess")
    answer = site.client.get(STUDIES, **site.headers("VIEWER"))
    assert problem(answer) == (429, "too-many-requests")
    assert int(answer["Retry-After"]) > 0


@probed
def test_a_withdrawn_token_is_none(site: Site) -> None:
    headers = site.headers("VIEWER")
    assert tokens.withdraw(NodeToken.objects.get().pk, "test", timezone.now())
    assert not tokens.withdraw(NodeToken.objects.get().pk, "test", timezone.now())
    assert problem(site.client.get(STUDIES, **headers)) == (401, "not-authenticated")


@probed
def test_a_token_ends_after_its_last_day(site: Site) -> None:
    now, node = timezone.now(), Node.objects.get(name="VIEWER")
    _, secret = tokens.make(node, "DICOMRCV", "test", now, now.date())
    assert tokens.known(secret, now) is not None
    assert tokens.known(secret, now + timedelta(days=1)) is None


@probed
def test_a_retired_node_has_no_token(site: Site) -> None:
    headers = site.headers("VIEWER")
    Node.objects.filter(name="VIEWER").update(retired_at=timezone.now())
    assert problem(site.client.get(STUDIES, **headers)) == (401, "not-authenticated")


@probed
def test_nothing_in_the_database_opens_a_door(site: Site) -> None:
    secret = site.token("VIEWER")
    row = NodeToken.objects.values().get()
    assert secret not in str(row)
    assert problem(site.client.get(STUDIES, HTTP_AUTHORIZATION=f"Bearer {row['digest']}"))[0] == 401


@probed
def test_a_token_leaves_marks_when_it_is_made_used_and_withdrawn(site: Site) -> None:
    headers = site.headers("VIEWER")
    for _ in range(3):
        site.client.get(STUDIES, **headers)
    tokens.withdraw(NodeToken.objects.get().pk, "ada", timezone.now())
    marks = Entry.objects.filter(action__startswith="access.").order_by("sequence")
    assert [(one.action, one.actor) for one in marks] == [
        ("access.token-made", "test"),
        ("access.token-used", "node VIEWER"),
        ("access.token-withdrawn", "ada"),
    ]
    secret = headers["HTTP_AUTHORIZATION"].split()[1]
    assert not [one for one in marks if secret in str(one.detail)]


@probed
@pytest.mark.parametrize(
    ("node", "store", "find"), [("VIEWER", 403, 200), ("CT_EAST", 200, 403), ("MUTE", 403, 403)]
)
def test_a_node_may_what_it_may_on_the_wire(site: Site, node: str, store: int, find: int) -> None:
    headers = site.headers(node)
    assert site.client.post(STUDIES, **headers).status_code == store
    assert site.client.get(STUDIES, **headers).status_code == find


@probed
def test_a_refused_query_leaves_the_mark_of_the_wire(site: Site) -> None:
    assert problem(site.client.get(STUDIES, **site.headers("CT_EAST"))) == (403, "no-right")
    assert Entry.objects.filter(action="query.refused", actor="node CT_EAST").count() == 1


@probed
@pytest.mark.parametrize(("called", "project"), [("DICOMRCV", "default"), ("TRIAL", "trial"), ("NOBODY", "")])
def test_a_token_says_whom_it_calls_and_so_the_project(site: Site, called: str, project: str) -> None:
    answer = site.client.post(STUDIES, **site.headers("CT_EAST", called))
    assert json.loads(answer.content) == [{"project": project}]


@probed
def test_a_node_calls_from_its_networks(site: Site, settings: LazySettings) -> None:
    headers = site.headers("AWAY")
    assert problem(site.client.get(STUDIES, **headers)) == (403, "off-site")
    assert site.client.get(STUDIES, REMOTE_ADDR="10.9.8.20", **headers).status_code == 200


@probed
def test_identities_are_not_answered_in_clear(site: Site, settings: LazySettings) -> None:
    headers = site.headers("WARD")
    assert site.client.get(STUDIES, **headers).status_code == 200  # on this machine
    Node.objects.filter(name="WARD").update(networks=["10.0.0.0/8"])
    assert problem(site.client.get(STUDIES, REMOTE_ADDR="10.1.1.1", **headers)) == (403, "in-clear")
    assert site.client.get(STUDIES, REMOTE_ADDR="10.1.1.1", secure=True, **headers).status_code == 200
    settings.API_IDENTITIES_BY_HTTP = True
    assert site.client.get(STUDIES, REMOTE_ADDR="10.1.1.1", **headers).status_code == 200


@probed
def test_what_is_stored_is_the_senders_to_protect(site: Site) -> None:
    Node.objects.filter(name="WARD").update(networks=["10.0.0.0/8"], may=["store", "find"])
    headers = site.headers("WARD")
    assert problem(site.client.get(STUDIES, REMOTE_ADDR="10.1.1.1", **headers)) == (403, "in-clear")
    assert site.client.post(STUDIES, REMOTE_ADDR="10.1.1.1", **headers).status_code == 200


@probed
def test_a_grant_that_ran_out_shows_nothing(site: Site) -> None:
    headers = site.headers("WARD")
    Node.objects.filter(name="WARD").update(grant={"purpose": "care", "until": "2020-01-01"})
    assert problem(site.client.get(STUDIES, **headers)) == (403, "no-right")


@probed
def test_a_house_that_is_closed_says_so(site: Site, settings: LazySettings) -> None:
    settings.ITH_URL = "https://backend.example"
    Standing.objects.update_or_create(pk=1, defaults={"is_active": False})
    assert problem(site.client.get(STUDIES, **site.headers("VIEWER"))) == (503, "inactive")


@probed
def test_a_node_has_its_own_count_of_requests(site: Site, settings: LazySettings) -> None:
    settings.DICOMWEB_REQUESTS_PER_MINUTE, settings.API_REQUESTS_PER_MINUTE = 3, 1
    viewer, other = site.headers("VIEWER"), site.headers("WARD")
    assert [site.client.get(STUDIES, **viewer).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert site.client.get(STUDIES, **other).status_code == 200


@probed
def test_a_method_that_no_door_of_an_address_knows_is_answered_with_those_they_know(site: Site) -> None:
    answer = site.client.delete(STUDIES, **site.headers("VIEWER"))
    assert problem(answer) == (405, "wrong-method")
    assert answer["Allow"] == "GET, HEAD, POST"


def test_what_is_below_the_root_and_no_door_is_a_problem_document(site: Site) -> None:
    for accept in ("*/*", "application/dicom+json", 'multipart/related; type="image/jpeg"'):
        answer = site.client.get("/dicomweb/workitems", HTTP_ACCEPT=accept)
        assert problem(answer) == (404, "not-found"), accept


@probed
def test_the_form_is_negotiated(site: Site) -> None:
    headers = site.headers("VIEWER")
    plain = site.client.get(STUDIES, HTTP_ACCEPT="application/json", **headers)
    assert plain["Content-Type"] == "application/json"
    assert problem(site.client.get(STUDIES, HTTP_ACCEPT="text/html", **headers)) == (406, "not-acceptable")
    wanted = "multipart/related; type=application/dicom; transfer-syntax=*, application/dicom+json;q=0.5"
    assert site.client.get("/dicomweb/images", HTTP_ACCEPT=wanted, **headers)["Content-Type"] == (
        "multipart/related|*"
    )
    by_query = site.client.get(
        "/dicomweb/images?accept=application/dicom+json", HTTP_ACCEPT=wanted, **headers
    )
    assert by_query["Content-Type"] == "application/dicom+json|"


@probed
def test_json_and_streams_are_compressed_for_who_takes_that(site: Site) -> None:
    headers = site.headers("VIEWER")
    wanted = {"HTTP_ACCEPT_ENCODING": "br, gzip;q=0.8", **headers}
    long, short = site.client.get(f"{STUDIES}?long=1", **wanted), site.client.get(STUDIES, **wanted)
    assert len(json.loads(gzip.decompress(long.content))) == 100
    assert len(long.content) < 200
    assert "Content-Encoding" not in short
    stream: Any = site.client.get("/dicomweb/images", **wanted)
    assert gzip.decompress(b"".join(stream.streaming_content)) == b"one" * 1000 + b"two"
    plain: Any = site.client.get("/dicomweb/images", HTTP_ACCEPT_ENCODING="gzip;q=0", **headers)
    assert b"".join(plain.streaming_content) == b"one" * 1000 + b"two"
    assert "Accept-Encoding" in plain["Vary"]
