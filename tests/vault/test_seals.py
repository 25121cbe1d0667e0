"""Seals and UID pairs: bound to their row, their person and their project."""

import random
from dataclasses import replace

import pytest
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from proxy.storage.errors import SealBroken
from proxy.vault import projects, seals, tokens
from proxy.vault.models import Person, ProjectKey, Seal, UidPair
from proxy.vault.pseudonyms import Known, person_for
from proxy.vault.seals import NoSeal, keep, keep_pairs, open_pair, open_seal, pair_rows, seal_row

pytestmark = pytest.mark.django_db
LARGE = random.Random(5).randbytes(150_000)


@pytest.fixture
def ada() -> Known:
    return person_for(1, "EAST", "AE-4711", {}, "1.2")


def test_small_seals_are_rows_and_large_ones_files(ada: Known) -> None:
    small, large = seal_row(ada, 1, "2.25.1", b"small"), seal_row(ada, 1, "2.25.2", LARGE)
    assert small.token and not small.path
    assert large.path and large.token is None
    assert large.size > len(LARGE)
    keep([small, large])
    assert (open_seal(1, "2.25.1"), open_seal(1, "2.25.2")) == (b"small", LARGE)


def test_a_seal_opens_for_its_own_instance_only(ada: Known) -> None:
    keep([seal_row(ada, 1, uid, plain) for uid, plain in (("2.25.1", b"one"), ("2.25.2", b"two"))])
    one, two = Seal.objects.order_by("pk")
    Seal.objects.filter(pk=one.pk).update(token=two.token)
    with pytest.raises(SealBroken, match="another row"):
        open_seal(1, "2.25.1")


def test_a_sealed_file_opens_for_its_own_instance_only(ada: Known) -> None:
    keep([seal_row(ada, 1, "2.25.1", LARGE), seal_row(ada, 1, "2.25.2", LARGE[::-1])])
    one, two = Seal.objects.order_by("pk")
    Seal.objects.filter(pk=one.pk).update(path=two.path)
    with pytest.raises(SealBroken):
        open_seal(1, "2.25.1")


def test_a_sealed_file_that_was_cut_or_is_gone_is_said(ada: Known) -> None:
    keep([seal_row(ada, 1, "2.25.1", LARGE)])
    path = seals.vault_root() / Seal.objects.get().path
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SealBroken):
        open_seal(1, "2.25.1")
    path.unlink()
    with pytest.raises(SealBroken, match="gone"):
        open_seal(1, "2.25.1")


@pytest.mark.django_db(transaction=True)
def test_seals_past_their_retention_go_with_their_files(ada: Known) -> None:
    keep([seal_row(ada, 1, "2.25.1", LARGE), seal_row(ada, 1, "2.25.2", b"small")])
    path = seals.vault_root() / Seal.objects.get(sop_uid="2.25.1").path
    assert list(seals.missing()) == []
    assert seals.drop(1, ["2.25.1", "2.25.2", "2.25.3"]) == 2
    assert not path.exists()
    with pytest.raises(NoSeal):
        open_seal(1, "2.25.1")


def test_a_seal_whose_file_is_gone_is_listed(ada: Known) -> None:
    keep([seal_row(ada, 1, "2.25.1", LARGE)])
    (seals.vault_root() / Seal.objects.get().path).unlink()
    assert [seal.sop_uid for seal in seals.missing()] == ["2.25.1"]


def test_a_person_is_sealed_in_their_own_project(ada: Known) -> None:
    with pytest.raises(ValueError, match="own project"):
        seal_row(ada, 2, "2.25.1", b"x")
    with pytest.raises(NoSeal):
        open_seal(2, "2.25.1")


def test_one_instance_has_one_seal(ada: Known) -> None:
    keep([seal_row(ada, 1, "2.25.1", b"first")])
    with pytest.raises(IntegrityError), transaction.atomic():
        keep([seal_row(ada, 1, "2.25.1", b"second")])
    assert open_seal(1, "2.25.1") == b"first"


def test_pairs_of_a_shared_frame_of_reference_are_kept_for_each_person(ada: Known) -> None:
    other = person_for(1, "EAST", "AE-4712", {}, "1.2")
    keep_pairs(
        [*pair_rows(ada, {"2.25.7": ("frame", "1.7")}), *pair_rows(other, {"2.25.7": ("frame", "1.7")})]
    )
    assert [open_pair(pair) for pair in UidPair.objects.all()] == ["1.7", "1.7"]


@pytest.mark.parametrize("odd", ["", "1.2\\1.3", "\ud800", "ü", " 1.2 "])
def test_a_uid_that_is_none_comes_back_as_it_was(ada: Known, odd: str) -> None:
    keep_pairs(pair_rows(ada, {"2.25.7": ("other", odd)}))
    assert open_pair(UidPair.objects.get()) == odd


def test_a_wrapped_key_moved_to_another_person_is_noticed(ada: Known) -> None:
    other = person_for(1, "EAST", "AE-4712", {}, "1.2")
    keep([seal_row(ada, 1, "2.25.1", b"x")])
    taken = Person.objects.get(pk=other.person_id).wrapped_key
    Person.objects.filter(pk=ada.person_id).update(wrapped_key=taken)
    with pytest.raises(Exception, match="moved to another row"):
        open_seal(1, "2.25.1")


def test_files_of_nobody_are_sealed_for_their_project(ada: Known) -> None:
    wrap, unwrap = projects.wrapping(1)
    assert unwrap(wrap(b"key")) == b"key"
    with pytest.raises(SealBroken):
        projects.wrapping(2)[1](wrap(b"key"))
    assert ProjectKey.objects.count() == 2


def test_files_of_a_person_open_for_that_person_only(ada: Known) -> None:
    token = ada.wrap(b"key")
    assert ada.unwrap(token) == b"key"
    with pytest.raises(SealBroken):
        replace(ada, pseudonym="ANON-OTHER").unwrap(token)


@effort(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.binary(max_size=300), st.text(st.characters(exclude_characters="\0"), max_size=20))
def test_tokens_open_as_they_were_sealed(plain: bytes, context: str) -> None:
    key = b"A" * 43 + b"="
    token = tokens.encrypt(key, context, plain)
    assert tokens.decrypt(key, context, token) == plain
    with pytest.raises(SealBroken):
        tokens.decrypt(key, context + "x", token)
