"""The map: sealed for each person, defused for spreadsheets, whole or refused."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from pytest_django import Settings

from proxy.audit import actions
from proxy.audit.models import Entry
from proxy.deid import Facts
from proxy.management.batch import mapping
from proxy.management.batch.fates import CLEAN, Done, Fate, Uids
from proxy.routing.models import Project
from proxy.storage.errors import SealBroken
from proxy.vault.forget import forget
from proxy.vault.pseudonyms import Known, person_for
from proxy.vault.reidentify import NotAllowed, Principal, TooMany, identity_of
from tests import cast

pytestmark = pytest.mark.django_db(transaction=True)
MAY = Principal("ada", lambda _: True)


def _rows(*known: Known) -> list[tuple[Done, str]]:
    facts = Facts(patient_id="AE-4711", study_uid="1.2.3", series_uid="1.2.4", sop_instance_uid="1.2.5")
    rows = []
    for number, one in enumerate(known, start=1):
        uids = Uids(one.pseudonym, "2.25.1", "2.25.2", "2.25.3")
        row = mapping.row(mapping.SEALED, one, facts, uids, f"{cast.ADA.name}.dcm")
        rows.append((Done(number, Fate(CLEAN), 1, None, uids, row), "a/b.dcm"))
    return rows


def _met() -> list[Known]:
    return [person_for(1, "", patient.id, {}, "1.2.3") for patient in (cast.ADA, cast.BEN)]


def test_whoever_is_forgotten_is_forgotten_in_old_maps_too(own_folders: Path, tmp_path: Path) -> None:
    path, (ada, ben) = tmp_path / "map.sealed", _met()
    mapping.write(path, mapping.SEALED, 1, _rows(ada, ben, ada), replace=False)
    assert len(mapping.read(path, 1, MAY, "a recall").rows) == 3
    forget(MAY, ada.pseudonym, 1, "asked for it")
    seen = mapping.read(path, 1, MAY, "a recall")
    assert (len(seen.rows), seen.forgotten) == (1, 2)
    assert ben.pseudonym in seen.rows[0]


def test_a_map_that_was_changed_cut_or_is_anothers_does_not_open(own_folders: Path, tmp_path: Path) -> None:
    path, known = tmp_path / "map.sealed", _met()
    mapping.write(path, mapping.SEALED, 1, _rows(*known), replace=False)
    content = path.read_bytes()
    for wrong in (content[:-1], content[:40], b"", content[:-9] + b"\0" + content[-8:]):
        path.write_bytes(wrong)
        with pytest.raises(SealBroken):
            mapping.read(path, 1, MAY, "a recall")
    path.write_bytes(content)
    with pytest.raises(SealBroken):
        mapping.read(path, 2, MAY, "a recall")


def test_a_map_is_never_replaced_in_silence_and_never_half_written(own_folders: Path, tmp_path: Path) -> None:
    path, known = tmp_path / "map.sealed", _met()
    mapping.write(path, mapping.SEALED, 1, _rows(*known), replace=False)
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        mapping.write(path, mapping.SEALED, 1, [], replace=False)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["map.sealed"]


def test_who_may_not_reads_nothing(own_folders: Path, tmp_path: Path) -> None:
    path, known = tmp_path / "map.sealed", _met()
    mapping.write(path, mapping.SEALED, 1, _rows(*known), replace=False)
    with pytest.raises(NotAllowed):
        mapping.read(path, 1, Principal("eve", lambda _: False), "curious")


def test_promise_9_the_persons_of_a_map_count_like_any_others(
    own_folders: Path, tmp_path: Path, settings: Settings
) -> None:
    """Before anything is written; whoever was looked behind within the hour counts once."""
    settings.IDENTITY_PERSONS_PER_HOUR = 2
    path, out = tmp_path / "map.sealed", tmp_path / "map.csv"
    three = [*_met(), person_for(1, "", "CT-1", {}, "1.2.3")]
    Project.objects.create(pk=1, name="default")
    User.objects.create_superuser("ada")
    mapping.write(path, mapping.SEALED, 1, _rows(*three), replace=False)
    asked = ["reidentify", "--map", str(path), str(out), "--as", "ada", "--purpose", "a recall"]
    with pytest.raises(CommandError, match="2 persons within an hour"):
        call_command(*asked)
    assert not out.exists()
    looks = Entry.objects.filter(action__startswith="identity")
    assert list(looks.values_list("action", flat=True)) == [actions.IDENTITY_REFUSED]
    mapping.write(path, mapping.SEALED, 1, _rows(*three[:2]), replace=True)
    assert len(mapping.read(path, 1, MAY, "a recall").rows) == 2
    with pytest.raises(TooMany):
        identity_of(MAY, three[2].pseudonym, 1, "a recall")


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_no_cell_of_a_plain_map_is_a_formula(cell: str) -> None:
    assert f"'{cell.strip()}" in mapping.as_csv([[cell]]).replace("\t", "").replace("\r", "")
    assert mapping.as_csv([["1.2.3"]]).endswith("1.2.3\n")
