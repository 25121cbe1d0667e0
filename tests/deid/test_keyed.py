"""A script without a vault: everything follows from one key, and seals lie in files that only this key opens."""

from pathlib import Path

import pytest

from proxy.deid import DeidError, Facts, Keyed, KeyTrouble, Lockbox, Nameless, WrongSeal, new_key, read_key

KEY = Keyed(b"k" * 32)
ADA = Facts(patient_id="AE-4711", study_uid="1.2.3")


def test_promise_5_one_person_has_one_pseudonym_over_processes_and_years(tmp_path: Path) -> None:
    made = new_key(tmp_path / "key")
    assert read_key(tmp_path / "key").subject(ADA) == made.subject(ADA)
    assert KEY.subject(ADA) == KEY.subject(Facts(patient_id=" AE-4711 ", study_uid="1.9"))
    assert KEY.subject(ADA).pseudonym != made.subject(ADA).pseudonym


def test_one_number_under_two_issuers_is_two_people() -> None:
    here, there = Keyed(KEY.key, "EAST"), Keyed(KEY.key, "WEST")
    assert here.subject(ADA) != there.subject(ADA)
    assert here.subject(ADA) == there.subject(Facts(patient_id="AE-4711", issuer="EAST", study_uid="1.2.3"))


@pytest.mark.parametrize("patient_id", ["", "UNKNOWN", "0000"])
def test_without_a_usable_id_there_is_a_person_for_each_study(patient_id: str) -> None:
    one, two = (KEY.subject(Facts(patient_id=patient_id, study_uid=uid)) for uid in ("1.2", "1.3"))
    assert one.pseudonym != two.pseudonym
    with pytest.raises(Nameless):
        KEY.subject(Facts(patient_id=patient_id))


def test_the_key_file_is_for_its_owner_alone_and_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "key"
    first = new_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyTrouble, match="cannot be made"):
        new_key(path)
    assert read_key(path) == first
    path.chmod(0o640)
    with pytest.raises(KeyTrouble, match="chmod 600"):
        read_key(path)


@pytest.mark.parametrize("content", [b"", b"deadbeef", b"x" * 64, b"\xff" * 64, b"0" * 63])
def test_a_damaged_key_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyTrouble, match="holds no key"):
        read_key(path)


def test_no_key_is_refused_and_shown_nowhere(tmp_path: Path) -> None:
    with pytest.raises(KeyTrouble, match="cannot be read"):
        read_key(tmp_path / "nothing")
    with pytest.raises(KeyTrouble):
        Keyed(b"short")
    assert "kkk" not in repr(KEY)


def test_promise_8_a_seal_opens_for_its_own_object_and_key_alone(tmp_path: Path) -> None:
    box = Lockbox(tmp_path / "seals", KEY)
    box.put("2.25.7", b"Example^Ada")
    stored = next((tmp_path / "seals").iterdir())
    assert b"Example" not in stored.read_bytes() and stored.stat().st_mode & 0o777 == 0o600
    assert Lockbox(tmp_path / "seals", KEY).get("2.25.7") == b"Example^Ada"
    with pytest.raises(WrongSeal, match="does not open"):
        Lockbox(tmp_path / "seals", Keyed(b"j" * 32)).get("2.25.7")
    stored.rename(stored.with_name("2.25.8.seal"))
    with pytest.raises(WrongSeal, match="does not open"):
        box.get("2.25.8")
    with pytest.raises(WrongSeal, match="no seal"):
        box.get("2.25.7")


@pytest.mark.parametrize("content", [b"", b"\x01", b"\x01" + b"n" * 12, b"\x02" + b"n" * 40])
def test_a_damaged_seal_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "2.25.7.seal").write_bytes(content)
    with pytest.raises(WrongSeal):
        Lockbox(tmp_path, KEY).get("2.25.7")


@pytest.mark.parametrize("uid", ["", "../../etc/passwd", "1.2/3"])
def test_a_seal_is_named_by_a_uid_and_nothing_else(tmp_path: Path, uid: str) -> None:
    with pytest.raises(DeidError):
        Lockbox(tmp_path / "seals", KEY).put(uid, b"x")
    assert not list(tmp_path.rglob("*.seal"))
