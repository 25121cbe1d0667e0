"""DCM_API_KEYS, DCM_DB_URL and the settings of billing: exact names, and wrong values that are never quoted."""

import subprocess
import sys
from pathlib import Path

import pytest

from config import database, reading
from config.database import Database
from config.reading import WrongSetting
from tests.docs import reading as documents

ROOT = Path(__file__).resolve().parents[2]
ONE, TWO = "0123456789abcdef" * 2, "FEDCBA9876543210" * 4
NAMES = {
    "DCM_API_KEYS", "STRIPE_API_KEY", "STRIPE_PRICE_ID", "STRIPE_PRICE_ID_ANNUAL", "STRIPE_WEBHOOK_SECRET",
    "STRIPE_TRIAL_DAYS", "DCM_DB_URL",
}  # fmt: skip
"""FEATURES V12, V13, V23: the names that users know."""


def test_the_names_that_users_know_are_kept() -> None:
    described = {one.name: one.default for one in documents.described()}
    assert set(described) >= NAMES
    assert described["STRIPE_TRIAL_DAYS"] == "14"


# --- keys -----------------------------------------------------------------------------------------


def keys(monkeypatch: pytest.MonkeyPatch, said: str) -> list[tuple[str, str]]:
    monkeypatch.setenv("DCM_API_KEYS", said)
    return reading.api_keys("DCM_API_KEYS", [])


def test_customers_and_their_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    assert keys(monkeypatch, "") == []
    assert keys(monkeypatch, f"customer1:{ONE}") == [("customer1", ONE)]
    pairs = [("a-b_c", ONE), ("a-b_c", TWO)]
    assert keys(monkeypatch, f" a-b_c : {ONE} , a-b_c:{TWO},") == pairs


@pytest.mark.parametrize(
    "said",
    [
        ONE,
        f":{ONE}",
        "acme:",
        f"acme:{ONE[:-1]}",
        f"acme:{ONE[:-1]}g",
        f"acme:{ONE}:more",
        f"acme:{'01234567' * 17}",
        f"ac me:{ONE}",
        f"acme/x:{ONE}",
        f"acme:{'0' * 32}",
        f"acme:{'01' * 32}",
        f"acme:{ONE},other:{ONE}",
        f"acme:{ONE};other:{TWO}",
    ],
)
def test_keys_that_cannot_be_any_stop_the_start_and_are_not_quoted(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    with pytest.raises(WrongSetting, match="DCM_API_KEYS") as refused:
        keys(monkeypatch, said)
    assert ONE not in str(refused.value)


# --- the database ---------------------------------------------------------------------------------


def address(monkeypatch: pytest.MonkeyPatch, said: str) -> Database | None:
    monkeypatch.setenv("DCM_DB_URL", said)
    return database.address("DCM_DB_URL", "", base=ROOT)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (
            "postgresql://ada:s3cret@db.example:6432/postern",
            ("ada", "s3cret", "db.example", 6432, "postern", {}),
        ),
        ("postgres://ada@[::1]/postern", ("ada", "", "::1", 5432, "postern", {})),
        (
            "postgresql+psycopg2://a%40b:p%2Fw%3A%25@host/n?sslmode=verify-full&sslrootcert=/ca.pem",
            ("a@b", "p/w:%", "host", 5432, "n", {"sslmode": "verify-full", "sslrootcert": "/ca.pem"}),
        ),
    ],
)
def test_an_address_of_postgresql(
    monkeypatch: pytest.MonkeyPatch, said: str, meant: tuple[str, str, str, int, str, dict[str, str]]
) -> None:
    found = address(monkeypatch, said)
    assert found is not None and found.engine == "postgresql"
    assert (found.user, found.password, found.host, found.port, found.name, found.options) == meant
    assert not found.password or found.password not in repr(found)


def test_an_address_of_sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    assert address(monkeypatch, "sqlite:///data/my.db") == Database("sqlite", path=ROOT / "data" / "my.db")
    assert address(monkeypatch, "sqlite:////srv/my%20db") == Database("sqlite", path=Path("/srv/my db"))
    assert address(monkeypatch, "") is None


@pytest.mark.parametrize(
    "said",
    [
        "s3cret",
        "mysql://ada:s3cret@host/name",
        "postgresql://ada:s3cret@host",
        "postgresql://ada:s3cret@host/",
        "postgresql://ada:s3cret@/name",
        "postgresql://host/name",
        "postgresql://ada:s3cret@host:port/name",
        "postgresql://ada:s3cret@host:99999/name",
        "postgresql://ada:s3cret@[host/name",
        "postgresql://ada:s3cret@host/name/more",
        "postgresql://ada:s3cret@host/name#part",
        "postgresql://ada:s3cret@host/name?sslmode",
        "postgresql://ada:s3cret@host/name?options=-c%20x",
        "postgresql://ada:s3cret%00@host/name",
        "sqlite://host/name?s3cret",
        "sqlite:///",
        "sqlite:///x?s3cret=1",
    ],
)
def test_a_wrong_address_stops_the_start_and_is_not_quoted(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    with pytest.raises(WrongSetting, match="DCM_DB_URL") as refused:
        address(monkeypatch, said)
    assert "s3cret" not in str(refused.value)


TELL = """
from config import settings as s
one = s.DATABASES["default"]
print(s.DATABASE_ENGINE, one["NAME"], one.get("HOST"), one.get("PORT"), one["OPTIONS"].get("sslmode"))
print([name for name in dir(s) if name.isupper() and "s3cret" in repr(getattr(s, name))])
"""


def told(tmp_path: Path, **settings: str) -> list[str]:
    folders = {"DATA_DIR": str(tmp_path / "data"), "KEY_DIR": str(tmp_path / "keys")}
    env = {"PATH": "/usr/bin:/bin", "ENV_FILE": str(tmp_path / "none.env"), **folders, **settings}
    done = subprocess.run(
        [sys.executable, "-c", TELL], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_address_wins_over_the_engine(tmp_path: Path) -> None:
    """V23. Nothing but what always holds the password holds it."""
    url = "postgresql://ada:s3cret@db.example/postern?sslmode=require"
    said, holding = told(tmp_path, DATABASE_ENGINE="sqlite", POSTGRES_HOST="other", DCM_DB_URL=url)
    assert said == "postgresql postern db.example 5432 require"
    assert "DCM_DB_URL" not in holding
    path = tmp_path / "database" / "my.db"
    said, _ = told(tmp_path, DATABASE_ENGINE="postgresql", DCM_DB_URL=f"sqlite:///{path}")
    assert said.startswith(f"sqlite {path} ")


# --- billing --------------------------------------------------------------------------------------


def test_billing_is_whole_or_not_at_all() -> None:
    reading.refuse_half_billing("", "", "", "")
    reading.refuse_half_billing("sk_1", "price_1", "", "whsec_1")
    for said in (
        ("sk_1", "", "", ""),
        ("", "", "price_2", ""),
        ("sk_1", "price_1", "", ""),
        ("", "", "", "whsec_1"),
    ):
        with pytest.raises(WrongSetting, match="STRIPE_") as refused:
            reading.refuse_half_billing(*said)
        assert "sk_1" not in str(refused.value) and "whsec_1" not in str(refused.value)
