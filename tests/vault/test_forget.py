"""N05: a person who is forgotten does not come back, and comes again as somebody new."""

import random
from pathlib import Path

import pytest
from django.db import IntegrityError, connection

from proxy.audit import actions
from proxy.audit.models import Entry
from proxy.deid.identifiers import map_uid
from proxy.storage.keys import AUDIT, KeysMissing
from proxy.vault import pseudonyms, reidentify, seals
from proxy.vault.forget import forget
from proxy.vault.forgotten import listed
from proxy.vault.models import Person, Seal, UidPair
from proxy.vault.pseudonyms import Known, person_for
from proxy.vault.reidentify import NotAllowed, Principal, Unknown
from proxy.vault.seals import Forgotten, keep, keep_pairs, open_seal, pair_rows, seal_row
from tests.vault.crowd import at_once

pytestmark = pytest.mark.django_db(transaction=True)
MAY = Principal("officer", lambda permission: True)
STUDY = "1.2.3.4"


def meet() -> Known:
    return person_for(1, "EAST", "AE-4711", {"name": "Example^Ada"}, STUDY)


@pytest.fixture
def ada() -> Known:
    known = meet()
    large = random.Random(1).randbytes(200_000)
    keep([seal_row(known, 1, "2.25.1", b"small"), seal_row(known, 1, "2.25.2", large)])
    keep_pairs(pair_rows(known, {map_uid(known.uid_key, STUDY): ("study", STUDY)}))
    return known


def files() -> list[Path]:
    return [path for path in seals.vault_root().rglob("*") if path.is_file()]


def test_forgetting_takes_the_key_and_everything_it_opened(ada: Known) -> None:
    assert len(files()) == 1
    erased = forget(MAY, ada.pseudonym, 1, "request of the patient")
    assert (erased.seals, erased.uid_pairs) == (2, 1)
    person = Person.objects.get()
    assert (person.wrapped_key, person.identity) == (None, None)
    assert not UidPair.objects.exists()
    assert list(Seal.objects.values_list("token", "path")) == [(None, ""), (None, "")]
    assert files() == []


def test_who_was_forgotten_is_nobody_for_good(ada: Known) -> None:
    forget(MAY, ada.pseudonym, 1, "request")
    with pytest.raises(Forgotten):
        reidentify.identity_of(MAY, ada.pseudonym, 1, "treatment")
    with pytest.raises(Forgotten):
        open_seal(1, "2.25.1")
    with pytest.raises(Forgotten):
        reidentify.restore_instance(MAY, "2.25.2", 1, "treatment")
    with pytest.raises(Forgotten):
        forget(MAY, ada.pseudonym, 1, "request")


def test_who_comes_again_is_somebody_new(ada: Known) -> None:
    forget(MAY, ada.pseudonym, 1, "request")
    again = meet()
    assert again.generation == 1
    assert again.pseudonym != ada.pseudonym
    assert again.uid_key != ada.uid_key
    assert meet() == again
    forget(MAY, again.pseudonym, 1, "request")
    assert meet().generation == 2


def test_promise_8_the_process_that_forgets_keeps_no_data_key_of_theirs(ada: Known) -> None:
    ben = person_for(1, "EAST", "BS-0815", {"name": "Sample^Ben"}, "1.2.5")
    forget(MAY, ada.pseudonym, 1, "request")
    assert [known for _, known in pseudonyms._met.values()] == [ben]


def forget_in_another_process(number: int) -> str:
    return forget(MAY, Person.objects.get().pseudonym, 1, "request").pseudonym


def test_whom_another_process_forgot_is_not_remembered_here(ada: Known) -> None:
    prepared = seal_row(ada, 1, "2.25.3", b"on its way")
    pairs = pair_rows(ada, {"2.25.9": ("series", "1.9")})
    assert at_once(1, forget_in_another_process) == [ada.pseudonym]
    with pytest.raises(Forgotten):
        keep([prepared])
    with pytest.raises(Forgotten):
        keep_pairs(pairs)
    assert meet().generation == 1


def test_forgetting_is_marked_and_needs_permission(ada: Known) -> None:
    with pytest.raises(NotAllowed):
        forget(
            Principal("visitor", lambda permission: permission == "vault.view_identity"),
            ada.pseudonym,
            1,
            "x",
        )
    with pytest.raises(Unknown):
        forget(MAY, "ANON-NOBODY", 1, "request")
    forget(MAY, ada.pseudonym, 1, "request")
    found = list(Entry.objects.values_list("action", "subject", "purpose"))
    assert found[-1] == (actions.FORGOTTEN, ada.pseudonym, "request")
    assert [entry[0] for entry in found] == [actions.IDENTITY_REFUSED, actions.FORGOTTEN]


def test_the_list_kept_outside_names_whom_a_backup_must_forget_again(ada: Known) -> None:
    assert listed() == []
    forget(MAY, ada.pseudonym, 1, "request")
    assert [(one.project_id, one.pseudonym, one.generation) for one in listed()] == [(1, ada.pseudonym, 0)]


def test_where_no_mark_can_be_left_nobody_is_forgotten(ada: Known, keys: Path) -> None:
    (keys / AUDIT).unlink()
    with pytest.raises(KeysMissing):
        forget(MAY, ada.pseudonym, 1, "request")
    assert listed() == []
    assert open_seal(1, "2.25.1") == b"small"
    assert len(files()) == 1


def test_the_database_refuses_a_forgotten_person_with_a_key(ada: Known) -> None:
    with pytest.raises(IntegrityError):
        Person.objects.update(identity=None)


def test_promise_8_the_wrapped_key_is_gone_from_the_database_file(ada: Known) -> None:
    if connection.vendor == "postgresql":  # dead rows stay until the next vacuum; docs/privacy.md says so
        return
    wrapped = bytes(Person.objects.get().wrapped_key or b"")
    forget(MAY, ada.pseudonym, 1, "request")
    database = Path(str(connection.settings_dict["NAME"]))
    assert ada.pseudonym.encode() in database.read_bytes()
    for name in (database, database.with_name(database.name + "-wal")):
        assert not name.exists() or wrapped not in name.read_bytes()


def test_files_that_no_row_names_are_found(ada: Known) -> None:
    lost = seal_row(ada, 1, "2.25.7", random.Random(2).randbytes(200_000))
    now = (seals.vault_root() / lost.path).stat().st_mtime + 100
    assert list(seals.orphans(60, now)) == [seals.vault_root() / lost.path]
    assert list(seals.orphans(600, now)) == []
