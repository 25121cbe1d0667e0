"""`configure` and `export_site`, as somebody at the console uses them."""

import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command, load_command_class

from proxy.audit.models import Entry
from proxy.routing.models import Route
from proxy.routing.site import load_site
from tests.house import ROOT, House
from tests.scene import SITE


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(SITE, encoding="utf-8")
    return path


@pytest.mark.django_db
@pytest.mark.usefixtures("own_folders")
class TestConfiguring:
    def test_the_file_is_made_true_and_the_console_says_what_changed(self, site: Path) -> None:
        said = run("configure", str(site))
        assert "node ARCHIVE created" in said and "5 changed." in said
        assert [route.called_ae for route in load_site().routes] == ["DICOMRCV"]
        entry = Entry.objects.get()
        assert entry.action == "configuration.changed" and entry.actor.endswith("(console)")

    def test_a_second_time_nothing_changes(self, site: Path) -> None:
        run("configure", str(site))
        assert "Everything is already so." in run("configure", str(site))
        assert Entry.objects.count() == 1

    def test_a_dry_run_writes_nothing(self, site: Path) -> None:
        assert "5 would change." in run("configure", str(site), "--dry-run")
        assert not Route.objects.exists() and not Entry.objects.exists()

    def test_a_wrong_file_changes_nothing_and_says_everything(self, site: Path) -> None:
        site.write_text(SITE.replace("port: 4242", "port: x").replace("kind: folder", "kind: fold"))
        errors = StringIO()
        with pytest.raises(CommandError, match="Nothing was changed: 2 to mend"):
            call_command("configure", str(site), stderr=errors)
        assert "site.yaml:3: nodes[0].port: give a whole number" in errors.getvalue()
        assert "site.yaml:4: destinations[1].kind: choose one of" in errors.getvalue()
        assert not Route.objects.exists()

    def test_a_recipe_of_ones_own_that_cannot_be_meant_is_named_with_its_line(self, site: Path) -> None:
        site.with_name("own.yaml").write_text(
            "extends: basic\nrules:\n  Rows: shift_date\n", encoding="utf-8"
        )
        site.write_text(SITE.replace("recipe: basic", "recipe: own.yaml"), encoding="utf-8")
        errors = StringIO()
        with pytest.raises(CommandError, match="Nothing was changed"):
            call_command("configure", str(site), stderr=errors)
        assert "projects[0].recipe: own.yaml:3: shift_date is for a date" in errors.getvalue()

    @pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
    def test_a_file_that_cannot_be_read_is_named(self, site: Path, content: bytes | None) -> None:
        site.unlink() if content is None else site.write_bytes(content)
        with pytest.raises(CommandError, match=r"site\.yaml (cannot be read|is not UTF-8 text)"):
            run("configure", str(site))

    def test_a_recipe_that_does_not_exist_is_refused(self, site: Path) -> None:
        site.write_text(SITE.replace("recipe: basic", "recipe: bsic"), encoding="utf-8")
        errors = StringIO()
        with pytest.raises(CommandError):
            call_command("configure", str(site), stderr=errors)
        assert "projects[0].recipe" in errors.getvalue()

    def test_what_was_exported_is_read_back_without_a_change(self, site: Path, tmp_path: Path) -> None:
        run("configure", str(site))
        copy = tmp_path / "below" / "copy.yaml"
        run("export_site", str(copy))
        assert "Everything is already so." in run("configure", str(copy))
        assert run("export_site") == copy.read_text(encoding="utf-8")


@pytest.mark.django_db
@pytest.mark.usefixtures("own_folders")
def test_a_site_can_come_through_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO(SITE))
    assert "5 changed." in run("configure", "-")


@pytest.mark.django_db
@pytest.mark.usefixtures("own_folders")
def test_a_route_without_destinations_is_pointed_out(site: Path) -> None:
    site.write_text("projects: [{name: a}]\nroutes: [{called_ae: X, project: a}]\n", encoding="utf-8")
    assert "route * → X has no destination" in run("configure", str(site))
    site.write_text("", encoding="utf-8")
    assert "every association will be rejected" in run("configure", str(site))


@pytest.mark.parametrize("name", ["configure", "export_site", "doctor", "ledger", "why", "verify_audit"])
def test_help_shows_the_command_in_use(name: str) -> None:
    text = load_command_class("proxy", name).create_parser("manage.py", name).format_help()
    assert f"examples:\n  python manage.py {name}" in text


def test_on_an_empty_machine_both_commands_work(house: House, tmp_path: Path) -> None:
    exported = house.command("export_site", DICOM_AE_TITLE="GATEWAY")
    assert exported.returncode == 0, exported.stderr
    assert "called_ae: GATEWAY" in exported.stdout


def test_four_first_starts_at_once_make_one_site(house: House) -> None:
    starts = [
        subprocess.Popen(
            [sys.executable, "manage.py", "export_site"],
            cwd=ROOT,
            env=house.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    said = [start.communicate(timeout=100) for start in starts]
    assert [start.returncode for start in starts] == [0] * 4, said
    assert len({text for text, _ in said}) == 1
    assert (
        house.command("verify_audit").stdout == "The audit chain is whole: 2 entries.\n"
    )  # the keys, the site
