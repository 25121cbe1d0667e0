"""A wrong value stops the start with one sentence that names the setting, and never quotes a secret."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config import reading
from config.reading import WrongSetting

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DICOM_PORT", "eleven"),
        ("DICOM_PORT", "0"),
        ("DICOM_PORT", "65536"),
        ("DICOM_PORT", "-1"),
        ("DICOM_AE_TITLE", "A_TITLE_OF_MORE_THAN_16"),
        ("DICOM_AE_TITLE", "BACK\\SLASH"),
        ("DICOM_ANONYMIZE_PATIENTS", "perhaps"),
        ("DICOM_LOG_LEVEL", "LOUD"),
        ("DICOM_MAX_PDU_SIZE", "1"),
        ("DATABASE_ENGINE", "oracle"),
        ("ITH_URL", "backend.example"),
        ("API_TRUSTED_PROXIES", "10.0.0.5/24"),
        ("API_TRUSTED_PROXIES", "nginx"),
        ("SECRET_KEY", "change-me"),
        ("SECRET_KEY_FILE", "/nowhere/secret"),
        ("RETENTION_FILES", "-1"),
        ("RETENTION_SEALS", "6"),
        ("RETENTION_QUARANTINE", "a week"),
        ("SITE_TIME_ZONE", "Mars/Olympus"),
        ("SITE_TIME_ZONE", "../UTC"),
        ("ALERT_EMAIL_TO", "pacs@example.org"),
        ("ALERT_WEBHOOK_URL", "ftp://hooks.example.org"),
        ("EMAIL_SECURITY", "perhaps"),
        ("ALERT_DISK_PERCENT", "100"),
        ("DCM_API_KEYS", "acme"),
        ("DCM_DB_URL", "mysql://user:pa55word@host/name"),
        ("STRIPE_API_KEY", "sk_test_1"),
        ("STRIPE_TRIAL_DAYS", "731"),
    ],
)
def test_a_wrong_value_stops_the_start_with_one_sentence(name: str, value: str) -> None:
    wanted = {"STRIPE_API_KEY": "STRIPE_PRICE_ID"}  # billing needs both
    started = settings_with(**{name: value})
    assert started.returncode == 1
    (line,) = started.stderr.strip().splitlines()
    assert line.startswith(f"Setting {wanted.get(name, name)}: ")
    assert "pa55word" not in line and "sk_test" not in line


FOLDERS = {
    "DATA_DIR": "place",
    "DICOM_STORAGE_DIR": "place",
    "DICOM_LOG_DIR": "place",
    "ARCHIVE_DIR": "place",
    "BACKUP_DIR": "place",
}


@pytest.mark.parametrize("keys", ["place", "place/keys"])
@pytest.mark.parametrize("name", FOLDERS)
def test_promise_8_keys_never_lie_where_something_else_does(tmp_path: Path, name: str, keys: str) -> None:
    """Who takes that folder would have the keys with it. Refused before the first key is made there."""
    own = {"DATA_DIR": str(tmp_path / "data"), "KEY_DIR": str(tmp_path / keys)}
    started = settings_with(**own | {name: str(tmp_path / FOLDERS[name])})
    assert started.returncode == 1
    (line,) = started.stderr.strip().splitlines()
    assert line.startswith(f"Setting KEY_DIR: keys may not lie under {name}; choose a folder outside")
    assert not (tmp_path / "place").exists()


def test_keys_beside_everything_else_are_taken(tmp_path: Path) -> None:
    """A folder whose name only begins like another is beside it; a file of a database may lie beside the folder."""
    own = {name: str(tmp_path / folder) for name, folder in FOLDERS.items()}
    keys = {"KEY_DIR": str(tmp_path / "place-keys"), "DATABASE_PATH": str(tmp_path / "db.sqlite3")}
    assert settings_with(**own | keys, DATABASE_ENGINE="sqlite").returncode == 0


def test_nothing_but_defaults_is_taken() -> None:
    """As on a new machine; nothing is made of it here."""
    assert (
        settings_with(KEY_DIR="", DATA_DIR="", BACKUP_DIR="", SECRET_KEY="of this test alone").returncode == 0
    )


def settings_with(**env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", "import config.settings"], cwd=ROOT, env=os.environ | env,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_seals_are_never_kept_shorter_than_files() -> None:
    for seals, files in ((0, 7), (7, 7), (8, 7), (0, 0), (1, 0)):
        reading.refuse_short_seals(seals, files)
    with pytest.raises(WrongSetting, match="RETENTION_SEALS"):
        reading.refuse_short_seals(7, 8)


def test_promise_1_no_absence_turns_pseudonymization_off(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("", "   "):
        monkeypatch.setenv("DICOM_ANONYMIZE_PATIENTS", value)
        assert reading.boolean("DICOM_ANONYMIZE_PATIENTS", True)
    monkeypatch.delenv("DICOM_ANONYMIZE_PATIENTS")
    assert reading.boolean("DICOM_ANONYMIZE_PATIENTS", True)


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("a-secret\n")
    monkeypatch.setenv("ITH_TOKEN_FILE", str(file))
    assert reading.text("ITH_TOKEN", "") == "a-secret"


def test_a_relative_path_is_meant_from_the_projects_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", "elsewhere")
    assert reading.path("DATA_DIR", "data", base=ROOT) == ROOT / "elsewhere"


@pytest.mark.parametrize(
    "address",
    [
        "nobody",
        "a@b@c",
        "Ada Example <ada@example.org>",
        "a@example.org\nBcc: b@example.org",
        "ä@example.org",
    ],
)
def test_an_address_that_is_no_plain_one_is_refused(address: str) -> None:
    with pytest.raises(WrongSetting, match="ALERT_EMAIL_TO"):
        reading.refuse_unreachable_mail([address], "mail.example.org", "postern@example.org")
    with pytest.raises(WrongSetting, match="EMAIL_FROM"):
        reading.refuse_unreachable_mail(["pacs@example.org"], "mail.example.org", address)


def test_who_wants_no_mail_needs_no_server() -> None:
    reading.refuse_unreachable_mail([], "", "postern@localhost")
    reading.refuse_unreachable_mail(["pacs@example.org"], "mail", "postern@localhost")


def test_a_webhook_wants_a_secret_that_is_never_quoted() -> None:
    reading.refuse_unsigned_webhook("", "")
    reading.refuse_unsigned_webhook("https://hooks.example.org", "0123456789abcdef")
    with pytest.raises(WrongSetting) as refused:
        reading.refuse_unsigned_webhook("https://hooks.example.org", "too-short")
    assert "too-short" not in str(refused.value)
