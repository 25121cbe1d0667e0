"""A process that starts under other settings than the last one says what changed, and never a value."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError
from pytest_django import Settings

from config import reading
from proxy.audit.models import Entry, Head
from proxy.audit.verify import verify
from proxy.management import configured
from proxy.routing.models import Project
from proxy.storage import keys as key_files
from tests.vault.crowd import at_once

SECRET = "correct-horse-battery"


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, settings: Settings) -> Path:
    settings.KEY_DIR = tmp_path / "keys"
    key_files.ensure(settings.KEY_DIR)
    return Path(settings.KEY_DIR)


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(reading, "asked", {"DICOM_PORT", "ITH_TOKEN", "RETENTION_FILES"})
    for name in ("DICOM_PORT", "ITH_TOKEN", "ITH_TOKEN_FILE", "RETENTION_FILES"):
        monkeypatch.delenv(name, raising=False)
    yield


def said(process: str = "work") -> list[list[str]]:
    rows = Entry.objects.filter(subject=f"settings of {process}").order_by("sequence")
    return [row.detail["changes"] for row in rows]


@pytest.mark.django_db
class TestOneAfterTheOther:
    def test_what_was_set_changed_and_taken_away_is_named(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        configured.mark("work")
        configured.mark("work")
        monkeypatch.setenv("DICOM_PORT", "11112")
        monkeypatch.setenv("ITH_TOKEN", SECRET)
        configured.mark("work")
        configured.mark("work")
        monkeypatch.setenv("DICOM_PORT", "104")
        configured.mark("work")
        monkeypatch.delenv("ITH_TOKEN")
        configured.mark("work")
        (tmp_path / "token").write_text(SECRET)
        monkeypatch.setenv("ITH_TOKEN_FILE", str(tmp_path / "token"))
        configured.mark("work")
        (tmp_path / "token").write_text(SECRET + "2")
        configured.mark("work")
        assert said() == [
            ["first seen, with nothing but defaults"],
            ["DICOM_PORT set", "ITH_TOKEN set"],
            ["DICOM_PORT changed"],
            ["ITH_TOKEN back to its default"],
            ["ITH_TOKEN set"],
            ["ITH_TOKEN changed"],
        ]
        kept = repr(list(Entry.objects.values()))
        assert SECRET not in kept and "'104'" not in kept and verify().ok

    def test_the_same_value_is_the_same_after_other_ones_and_is_told_by_no_other_key(
        self, monkeypatch: pytest.MonkeyPatch, keys: Path
    ) -> None:
        monkeypatch.setenv("RETENTION_FILES", "7")
        configured.mark("work")
        [first] = Entry.objects.values_list("detail", flat=True)
        assert first["digests"] == {"RETENTION_FILES": first["digests"]["RETENTION_FILES"]}
        monkeypatch.setattr(configured, "audit_key", lambda: b"another")
        assert configured._digests() != first["digests"]

    def test_each_kind_of_process_is_held_against_its_own_kind(self, monkeypatch: pytest.MonkeyPatch) -> None:
        configured.mark("work")
        monkeypatch.setenv("RETENTION_FILES", "7")
        configured.mark("web")
        configured.mark("work")
        assert said() == [["first seen, with nothing but defaults"], ["RETENTION_FILES set"]]
        assert said("web") == [["first seen, with RETENTION_FILES"]]

    def test_a_recipe_in_a_file_counts_like_a_setting(self, tmp_path: Path) -> None:
        recipe = tmp_path / "ours.yaml"
        recipe.write_text("extends: basic\n")
        project = Project.objects.create(name="trial", recipe=str(recipe))
        Project.objects.create(name="other", recipe="basic")
        configured.mark("listen")
        recipe.write_text("extends: basic\nprivate: keep\n")
        configured.mark("listen")
        recipe.unlink()
        configured.mark("listen")
        assert said("listen")[1:] == [[f"the recipe of project {project.pk} changed"]] * 2
        assert said("listen")[0] == [f"first seen, with the recipe of project {project.pk}"]

    def test_where_the_audit_cannot_say_it_the_process_does_not_start(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        configured.mark("work")
        monkeypatch.setenv("RETENTION_FILES", "7")
        Head.objects.update(count=99)
        with pytest.raises(CommandError, match="the audit cannot say so"):
            configured.mark("work")
        monkeypatch.delenv("RETENTION_FILES")
        configured.mark("work")


def begin(number: int) -> None:
    configured.mark("listen")


@pytest.mark.django_db(transaction=True)
def test_of_several_that_start_at_once_one_says_it() -> None:
    at_once(4, begin)
    assert len(said("listen")) == 1
