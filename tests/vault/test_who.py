"""DESIGN 5, who is a person."""

import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from proxy.deid.who import is_placeholder, normalise, who_is
from proxy.vault import issuers
from proxy.vault.issuers import canonical, follow
from proxy.vault.models import IssuerAlias
from proxy.vault.pseudonyms import person_for
from tests.aside import changed

text = st.text(max_size=12)


@given(text, text, text, text)
def test_promise_5_persons_differ_unless_trimming_makes_them_one(
    one: str, two: str, three: str, four: str
) -> None:
    a, b = who_is(one, two, "1.2"), who_is(three, four, "1.2")
    assert (a.text == b.text) == ((normalise(one), normalise(two)) == (normalise(three), normalise(four)))


@given(text, text)
def test_case_inner_blanks_and_leading_zeros_count(issuer: str, patient_id: str) -> None:
    assume(not is_placeholder(normalise(patient_id)))
    assert who_is(issuer, patient_id, "1").patient_id == normalise(patient_id)
    for other in (f"0{normalise(patient_id)}", f"{normalise(patient_id)}x"):
        assert who_is(issuer, other, "1").text != who_is(issuer, patient_id, "1").text


@pytest.mark.parametrize(
    "real", ["AE-4711", "10", "0815", "UNKNOWN1", "A", "Ω", "測試", "TEST-1", "NA12", "X1", "XAVER"]
)
def test_what_could_be_a_real_id_is_one(real: str) -> None:
    assert not is_placeholder(real)


def test_promise_8_a_who_shows_nothing() -> None:
    assert "4711" not in repr(who_is("EAST", "AE-4711", "1.2"))


def test_an_alias_leads_to_its_issuer_and_a_circle_ends() -> None:
    assert follow({"A": "B", "B": "C"}, "A") == "C"
    assert follow({"A": "B", "B": "A"}, "A") == "A"
    assert follow({}, "A") == "A"


@pytest.mark.django_db
def test_promise_5_an_issuer_with_two_names_has_one_patient() -> None:
    IssuerAlias.objects.create(project_id=1, alias="EAST-OLD", issuer="EAST")
    issuers.forget_cache()
    assert canonical(1, "EAST-OLD") == "EAST"
    assert canonical(2, "EAST-OLD") == "EAST-OLD"
    assert person_for(1, "EAST-OLD", "AE-1", {}, "1.2") == person_for(1, " EAST ", "AE-1", {}, "1.2")


@pytest.mark.django_db
def test_an_alias_counts_after_some_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(issuers, "time", changed(time, monotonic=lambda: now[0]))
    assert canonical(1, "EAST-OLD") == "EAST-OLD"
    IssuerAlias.objects.create(project_id=1, alias="EAST-OLD", issuer="EAST")
    now[0] += issuers.FRESH_FOR + 1
    assert canonical(1, "EAST-OLD") == "EAST"
