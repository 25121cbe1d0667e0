"""N05: keys rotate, pseudonyms stay."""

from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest

from proxy.audit import actions
from proxy.audit.models import Entry
from proxy.storage.keys import AUDIT, MASTER, KeysMissing
from proxy.vault import rotate
from proxy.vault.forget import forget
from proxy.vault.keyring import Keyring, current
from proxy.vault.models import Person
from proxy.vault.pseudonyms import Known, forget_cache, person_for
from proxy.vault.reidentify import Principal
from proxy.vault.rotate import drop_old_master_keys, rewrap_all, rotate_master_keys
from proxy.vault.seals import keep, open_seal, seal_row

pytestmark = pytest.mark.django_db
MAY = Principal("officer", lambda permission: True)


def meet(number: int) -> Known:
    return person_for(1, "EAST", f"AE-{number}", {}, "1.2")


def lines(keys: Path) -> list[str]:
    return (keys / MASTER).read_text().split()


def test_promise_5_rotation_changes_no_pseudonym_and_opens_every_seal(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotate, "PAGE", 2)
    before = [meet(number) for number in range(5)]
    keep([seal_row(known, 1, f"2.25.{known.person_id}", b"taken") for known in before])
    [old] = lines(keys)
    assert rotate_master_keys("officer", "yearly") == 6
    assert len(lines(keys)) == 2
    assert drop_old_master_keys("officer") == 1
    assert old not in lines(keys)
    forget_cache()
    assert [meet(number) for number in range(5)] == before
    assert all(open_seal(1, f"2.25.{known.person_id}") == b"taken" for known in before)
    assert list(Entry.objects.values_list("action", flat=True)) == [
        actions.KEYS_ROTATED,
        actions.KEYS_DROPPED,
    ]


@pytest.mark.parametrize("act", [rotate_master_keys, drop_old_master_keys])
def test_without_a_mark_no_master_key_comes_or_goes(keys: Path, act: Callable[[str], int]) -> None:
    current().rotate_master()
    before = lines(keys)
    (keys / AUDIT).unlink()
    with pytest.raises(KeysMissing):
        act("officer")
    assert lines(keys) == before


def test_a_master_key_that_cannot_be_written_leaves_no_mark(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Keyring, "rotate_master", Mock(side_effect=OSError("full")))
    with pytest.raises(OSError, match="full"):
        rotate_master_keys("officer")
    assert not Entry.objects.exists()


def test_a_rotation_that_died_halfway_is_finished_later(keys: Path) -> None:
    known = meet(1)
    current().rotate_master()
    forget_cache()
    assert meet(1) == known
    assert rewrap_all() == 2
    assert rewrap_all() == 0


def test_old_keys_stay_while_a_row_needs_them(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meet(1)
    current().rotate_master()
    monkeypatch.setattr(rotate, "rewrap_all", lambda: 0)
    with pytest.raises(KeysMissing, match="rotate again"):
        drop_old_master_keys("officer")
    assert len(lines(keys)) == 2


def test_rotation_brings_nobody_back_who_was_forgotten(keys: Path) -> None:
    known = meet(1)
    forget(MAY, known.pseudonym, 1, "request")
    rotate_master_keys("officer")
    assert Person.objects.get().wrapped_key is None


def test_rotation_loses_a_race_against_forgetting(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = meet(1)
    pages = rotate._pages

    def forgotten_meanwhile(*table: object) -> list[tuple[int, bytes]]:
        rows = list(pages(*table))  # type: ignore[arg-type]
        if table[0] is Person and Person.objects.filter(forgotten_at=None).exists():
            forget(MAY, known.pseudonym, 1, "request")
        return rows

    monkeypatch.setattr(rotate, "_pages", forgotten_meanwhile)
    rotate_master_keys("officer")
    assert Person.objects.get().wrapped_key is None
