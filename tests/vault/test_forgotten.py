"""The list of the forgotten: what one crash spoils costs nobody else their line."""

import errno
import os
from pathlib import Path

import pytest
from django.conf import LazySettings

from proxy.vault import forgotten
from proxy.vault.corrections import correct
from proxy.vault.forget import erase_again, forget
from proxy.vault.forgotten import Listed, listed, remember
from proxy.vault.models import FormerId, Person, ProjectKey
from proxy.vault.pseudonyms import Known, find_person, forget_cache, person_for
from proxy.vault.reidentify import Principal, identity_of
from proxy.vault.seals import keep, open_seal, seal_row

ADA, BEN = Listed(1, "ANON-A", "aa" * 32, 0), Listed(1, "ANON-B", "bb" * 32, 12)
MAY = Principal("officer", lambda permission: True)


@pytest.fixture
def file(settings: LazySettings) -> Path:
    return Path(settings.FORGOTTEN_FILE)


def test_promise_8_a_line_that_was_cut_short_does_not_swallow_the_next_person(file: Path) -> None:
    remember(ADA)
    with file.open("a") as lines:
        lines.write("1 ANON-")
    remember(BEN)
    assert [one for one in listed() if one.blind] == [ADA, BEN]


def test_on_a_full_disk_nobody_is_written_down_and_whoever_forgets_hears_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda handle, data: whole(handle, data[:6]))
        with pytest.raises(OSError, match="no room") as told:
            remember(ADA)
    assert told.value.errno == errno.ENOSPC
    remember(BEN)
    assert listed() == [BEN]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 ANON-A\n", [Listed(1, "ANON-A")]),
        (f"1 ANON-A {ADA.blind} 0\n", [ADA]),
        (f"1 ANON-A {ADA.blind} 0", [ADA]),
        ("1 ANON-A\n\n1 ANON-B\n", [Listed(1, "ANON-A"), Listed(1, "ANON-B")]),
        ("1 ANON-A abcd\n", [Listed(1, "ANON-A")]),
        ("1\none ANON-A\n\udcff\udcb2 ANON-A\n", []),
    ],
)
def test_lines_of_every_time_are_read_and_what_is_none_is_not(
    file: Path, text: str, said: list[Listed]
) -> None:
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert listed() == said


def test_lines_from_elsewhere_are_added_where_they_are_missing(file: Path) -> None:
    remember(ADA)
    forgotten.add(f"1 ANON-A {ADA.blind} 0\n1 ANON-C\n1 ANON-B {BEN.blind} 12")
    assert listed() == [ADA, Listed(1, "ANON-C"), BEN]


# --- replayed on a backup --------------------------------------------------------------------------


def meet(patient_id: str = "AE-1") -> Known:
    return person_for(1, "EAST", patient_id, {"name": "Exampleova^Ada"}, "1.2.3")


def go_back(number: int) -> None:
    """The database as it was before this person, and what `restore` does then."""
    FormerId.objects.filter(person_id__gte=number).delete()
    Person.objects.filter(pk__gte=number).delete()
    forget_cache()
    replay()


def replay() -> None:
    for one in listed():
        erase_again(one)


@pytest.mark.django_db(transaction=True)
class TestReplaying:
    def test_promise_5_a_backup_from_before_a_person_gives_no_forgotten_pseudonym_out_again(self) -> None:
        meet("AE-0")
        ada = meet()
        forget(MAY, ada.pseudonym, 1, "request")
        go_back(ada.person_id)
        gone = Person.objects.get(pseudonym=ada.pseudonym)
        assert (gone.generation, gone.wrapped_key, gone.identity) == (0, None, None)
        again = meet()
        assert (again.generation, again.uid_key == ada.uid_key) == (1, False)

    def test_promise_6_who_came_again_stays_when_a_later_backup_is_restored(self) -> None:
        ada = meet()
        forget(MAY, ada.pseudonym, 1, "request")
        go_back(ada.person_id)
        again = meet()
        keep([seal_row(again, 1, "2.25.1", b"sealed")])
        replay()
        assert identity_of(MAY, again.pseudonym, 1, "treatment").patient_id == "AE-1"
        assert open_seal(1, "2.25.1") == b"sealed"
        assert meet() == again

    def test_who_was_forgotten_twice_comes_a_third_time(self) -> None:
        ada = meet()
        forget(MAY, ada.pseudonym, 1, "request")
        forget(MAY, meet().pseudonym, 1, "request")
        go_back(ada.person_id)
        assert meet().generation == 2

    def test_of_whom_the_backup_has_and_who_comes_again_the_old_self_alone_goes(self) -> None:
        ada = meet()
        before = Person.objects.values().get()
        forget(MAY, ada.pseudonym, 1, "request")
        Person.objects.all().delete()
        Person.objects.create(**before)
        replay()
        assert find_person(1, "EAST", "AE-1") is None
        again = meet()
        replay()
        assert find_person(1, "EAST", "AE-1") == again

    def test_both_ids_of_whoever_had_two_are_used(self) -> None:
        ada = meet()
        correct(MAY, ada.pseudonym, 1, issuer="EAST", patient_id="AE-7", purpose="typing error")
        forget(MAY, ada.pseudonym, 1, "request")
        assert len(listed()) == 2
        go_back(ada.person_id)
        assert [meet(one).generation for one in ("AE-1", "AE-7")] == [1, 1]

    def test_a_backup_from_before_a_correction_has_both_ids_used_too(self) -> None:
        ada = meet()
        before = Person.objects.values().get()
        correct(MAY, ada.pseudonym, 1, issuer="EAST", patient_id="AE-7", purpose="typing error")
        forget(MAY, ada.pseudonym, 1, "request")
        FormerId.objects.all().delete()
        Person.objects.all().delete()
        Person.objects.create(**before)
        replay()
        assert [meet(one).generation for one in ("AE-1", "AE-7")] == [1, 1]

    def test_an_id_that_somebody_else_has_used_by_then_stays_theirs(self) -> None:
        ben = meet("AE-2")
        row = Person.objects.get(pk=ben.person_id)
        assert not erase_again(Listed(1, "ANON-A", row.blind, row.generation))
        assert meet("AE-2") == ben and Person.objects.count() == 1

    def test_a_line_that_says_no_id_erases_whom_the_backup_has(self) -> None:
        ada = meet()
        assert erase_again(Listed(1, ada.pseudonym))
        assert not erase_again(Listed(1, ada.pseudonym))
        assert not erase_again(Listed(1, "ANON-NOBODY"))
        assert Person.objects.get().wrapped_key is None

    def test_a_second_replay_changes_nothing(self) -> None:
        ada = meet()
        forget(MAY, ada.pseudonym, 1, "request")
        go_back(ada.person_id)
        rows = list(Person.objects.values())
        assert not any(erase_again(one) for one in listed())
        assert list(Person.objects.values()) == rows and ProjectKey.objects.count() == 1
