"""Customers come in by their key, into their one project, and no further than their tier allows."""

import json
from typing import Any

import pytest
from django.utils import timezone

from proxy.routing.site import apply, read
from proxy.studies.models import Instance, Study
from proxy.tiers import customers, keys, quota
from proxy.tiers.models import Customer, Usage
from tests import cast
from tests.cast import StudyPlan
from tests.dicomweb.conftest import SITE, Site
from tests.dicomweb.sending import RELATED, failed, images, problem, stored

STUDIES = "/dicomweb/studies"
OURS = SITE.replace("projects: [{", "projects: [{name: customer-acme, recipe: basic}, {", 1) + (
    "  - {called_ae: ACME, project: customer-acme, destinations: [outbox]}\n"
)


@pytest.fixture
def acme(site: Site) -> Customer:
    made = customers.add("acme", "test", timezone.now())
    apply(read(OURS), "test")
    return made


def key_of(customer: Customer) -> dict[str, Any]:
    return {"HTTP_X_API_KEY": keys.make(customer, "test", timezone.now()).secret}


def send(site: Site, headers: dict[str, Any], *some: Any, **more: Any) -> Any:
    return site.client.generic("POST", STUDIES, images(*some), RELATED, **headers, **more)


def use(customer: Customer, files: int) -> None:
    assert isinstance(quota.take_many(customer, files, 0, timezone.now()), quota.Taken)


def used(customer: Customer) -> int:
    return Usage.objects.get(customer=customer).files


def test_a_customer_stores_into_their_project_and_is_counted(site: Site, acme: Customer) -> None:
    image = cast.ct()
    answer = send(site, key_of(acme), image, cast.ct(instance=2))
    assert (answer.status_code, len(stored(answer))) == (200, 2)
    assert set(Instance.objects.values_list("project__name", flat=True)) == {"customer-acme"}
    assert used(acme) == 2


def test_a_customer_sees_their_project_and_no_other(site: Site, acme: Customer) -> None:
    headers = key_of(acme)
    assert send(site, headers, cast.ct()).status_code == 200
    assert send(site, site.headers("CT_EAST"), cast.ct(StudyPlan(number=9))).status_code == 200
    answer: Any = site.client.get(STUDIES, **headers)
    found = json.loads(answer.getvalue())
    mine = Study.objects.get(project__name="customer-acme")
    assert [one["0020000D"]["Value"] for one in found] == [[mine.uid]]
    theirs = Study.objects.get(project__name="default").uid
    assert site.client.get(f"{STUDIES}/{theirs}/metadata", **headers).status_code == 404


def test_at_the_edge_of_the_quota_the_rest_fails_and_is_named(site: Site, acme: Customer) -> None:
    use(acme, 49)
    one, two = cast.ct(), cast.ct(instance=2)
    headers = key_of(acme)
    answer = send(site, headers, one, two)
    assert answer.status_code == 202
    assert (list(stored(answer)), failed(answer)) == ([one.SOPInstanceUID], {two.SOPInstanceUID: 0xA700})
    assert used(acme) == 50
    answer = send(site, headers, two)
    assert problem(answer) == (429, "quota")
    assert int(answer["Retry-After"]) > 60
    assert Instance.objects.count() == 1


def test_what_failed_is_not_charged(site: Site, acme: Customer) -> None:
    headers = key_of(acme)
    broken = site.client.generic(
        "POST", STUDIES, cast.part10(cast.ct())[:-99], "application/dicom", **headers
    )
    assert broken.status_code == 409
    assert not Usage.objects.filter(files__gt=0).exists()


def test_a_request_is_as_large_as_the_tier_allows(site: Site, acme: Customer) -> None:
    answer = send(site, key_of(acme), cast.ct(), CONTENT_LENGTH=str(acme.allows.size + 1))
    assert problem(answer) == (413, "too-large")


def test_requests_are_counted_with_those_at_all_doors(site: Site, acme: Customer) -> None:
    headers = key_of(acme)
    allowed = acme.allows.requests
    assert allowed is not None
    asked = {**headers, "HTTP_ACCEPT": "text/html"}  # refused, and so nothing is begun
    found = [site.client.get(STUDIES, **asked).status_code for _ in range(allowed + 1)]
    assert found[-1] == 429
    assert found.count(429) == 1


def test_without_a_route_into_the_project_nothing_is_stored(site: Site) -> None:
    other = customers.add("other", "test", timezone.now())
    assert problem(send(site, key_of(other), cast.ct())) == (403, "no-route")


@pytest.mark.parametrize("said", ["postern-" + "x" * 50, "", "é", "a" * 10_000])
def test_what_is_no_key_opens_nothing(site: Site, said: str) -> None:
    answer = site.client.get(STUDIES, HTTP_X_API_KEY=said)
    assert problem(answer) == (401, "not-authenticated")


def test_a_retired_customer_is_out(site: Site, acme: Customer) -> None:
    headers = key_of(acme)
    customers.retire(acme, "test", timezone.now())
    assert problem(send(site, headers, cast.ct())) == (401, "not-authenticated")
