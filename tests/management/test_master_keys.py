"""`master_keys`: operators rotate the keys of the vault, with a mark, and nothing that it holds is lost."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from proxy.audit import actions
from proxy.audit.models import Entry
from proxy.management.commands import master_keys
from proxy.storage.keys import AUDIT, MASTER
from proxy.vault import rotate
from proxy.vault.models import Person
from proxy.vault.pseudonyms import forget_cache, person_for

pytestmark = pytest.mark.django_db(transaction=True)


def said(step: str) -> str:
    out = io.StringIO()
    call_command("master_keys", step, "--purpose", "once a year", stdout=out)
    return out.getvalue()


def lines() -> list[str]:
    from django.conf import settings

    return (Path(settings.KEY_DIR) / MASTER).read_text().split()


def meet() -> str:
    return person_for(1, "", "AE-1", {}, "1.2.3").pseudonym


def test_promise_5_who_was_met_before_is_who_they_were(own_folders: Path) -> None:
    before, [old] = meet(), lines()
    assert said("rotate").startswith("2 keys lie under a new master key.")
    assert lines()[1:] == [old]
    assert said("drop").startswith("1 old master keys are gone.")
    assert old not in lines()
    forget_cache()
    assert meet() == before
    marks = Entry.objects.filter(action__in=[actions.KEYS_ROTATED, actions.KEYS_DROPPED]).order_by("sequence")
    assert list(marks.values_list("action", "purpose")) == [
        (actions.KEYS_ROTATED, "once a year"),
        (actions.KEYS_DROPPED, "once a year"),
    ]


def test_where_nothing_is_old_nothing_goes(own_folders: Path) -> None:
    before = lines()
    assert said("drop") == "There was no old master key.\n" and lines() == before


def test_without_a_mark_or_a_purpose_no_key_comes(own_folders: Path) -> None:
    before = lines()
    with pytest.raises(CommandError, match="purpose"):
        call_command("master_keys", "rotate")
    (own_folders.parent / "keys" / AUDIT).unlink()
    with pytest.raises(CommandError):
        said("rotate")
    assert lines() == before


def test_what_was_tampered_with_ends_in_a_sentence(own_folders: Path) -> None:
    meet()
    Person.objects.update(wrapped_key=b"of another house")
    with pytest.raises(CommandError, match="put them back from escrow"):
        said("rotate")


def test_who_waits_hears_how_far_it_is(own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meet()
    monkeypatch.setattr(rotate, "PAGE", 1)
    monkeypatch.setattr(master_keys, "EVERY", 1)
    assert said("rotate").splitlines()[:2] == ["1 keys so far ...", "2 keys so far ..."]
