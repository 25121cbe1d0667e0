"""Promise 1: without its keys the vault does nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.storage.keys import INDEX, MASTER, new_key
from proxy.vault import keyring
from proxy.vault.keyring import KeysMissing, current, ensure_keys
from proxy.vault.models import Person
from proxy.vault.pseudonyms import forget_cache, person_for

pytestmark = pytest.mark.django_db


def meet(patient_id: str = "AE-4711") -> str:
    return person_for(1, "EAST", patient_id, {}, "1.2").pseudonym


def unlink(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    path.write_text(path.read_text()[:20])


def open_up(path: Path) -> None:
    path.chmod(0o644)


@pytest.mark.parametrize("name", [MASTER, INDEX])
@pytest.mark.parametrize("harm", [unlink, truncate, open_up])
def test_promise_1_a_harmed_key_stops_known_and_new_persons(
    keys: Path, name: str, harm: Callable[[Path], None]
) -> None:
    meet()
    harm(keys / name)
    for patient_id in ("AE-4711", "AE-4712"):
        with pytest.raises(KeysMissing):
            meet(patient_id)
    assert Person.objects.count() == 1


def test_promise_1_other_master_keys_open_nothing(keys: Path) -> None:
    meet()
    (keys / MASTER).write_text(new_key() + "\n")
    forget_cache()
    for patient_id in ("AE-4711", "AE-4712"):
        with pytest.raises(KeysMissing, match="not those"):
            meet(patient_id)


def test_promise_5_another_index_key_never_makes_a_second_person(keys: Path) -> None:
    meet()
    (keys / INDEX).write_text(new_key() + "\n")
    with pytest.raises(KeysMissing, match=r"index\.key"):
        meet()
    assert Person.objects.count() == 1


def test_what_was_wrapped_for_one_row_does_not_open_for_another() -> None:
    token = current().wrap("person:1:ANON-A", b"secret")
    assert current().unwrap("person:1:ANON-A", token) == b"secret"
    with pytest.raises(KeysMissing, match="tampered"):
        current().unwrap("person:1:ANON-B", token)


def test_promise_8_the_keyring_shows_nothing(keys: Path) -> None:
    shown = repr(current()) + str(current())
    assert not any(line in shown for line in (keys / MASTER).read_text().split())


def test_keys_are_loaded_for_a_folder(tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert len(ensure_keys(other)) == 4
    assert keyring.load(other).blind(1, "x") != current().blind(1, "x")


def test_blind_indexes_of_two_projects_have_nothing_in_common() -> None:
    assert current().blind(1, "x") != current().blind(2, "x")
