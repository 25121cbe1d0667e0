"""Seals are opened some at a time, in the order of their images, and each trouble stays with its own image."""

from collections.abc import Callable, Sequence

import pytest

from proxy.deid import KEEP_ALL, Engine, WrongSeal, deidentify
from proxy.retrieval import opening
from proxy.retrieval.opening import TOGETHER, Seals
from proxy.storage.errors import SealBroken
from proxy.vault.seals import NoSeal
from tests.deid.build import EXPLICIT, SUBJECT, ct, encoded

SEALED = deidentify(encoded(ct()), EXPLICIT, Engine(KEEP_ALL), lambda facts: SUBJECT).seal
UIDS = [f"2.25.{number}" for number in range(TOGETHER * 2 + 3)]


class Vault:
    def __init__(self) -> None:
        self.opened: list[str] = []
        self.read_at_once: list[int] = []
        self.troubles: dict[str, Exception] = {}
        self.plain: dict[str, bytes] = {}

    def read(self, uids: Sequence[str]) -> Callable[[str], bytes]:
        self.read_at_once.append(len(uids))
        return self._open

    def _open(self, uid: str) -> bytes:
        self.opened.append(uid)
        if uid in self.troubles:
            raise self.troubles[uid]
        return self.plain.get(uid, SEALED)


def test_every_seal_is_opened_once_and_only_when_one_of_its_group_is_due() -> None:
    vault = Vault()
    seals = Seals(UIDS, vault.read)
    assert vault.opened == []
    for number, uid in enumerate(UIDS, 1):
        assert seals.take(uid).size
        assert vault.opened == UIDS[: (number + TOGETHER - 1) // TOGETHER * TOGETHER]
    assert vault.read_at_once == [TOGETHER, TOGETHER, 3]


def test_a_trouble_is_told_when_the_turn_of_its_image_comes() -> None:
    vault = Vault()
    vault.troubles = {UIDS[1]: NoSeal("none"), UIDS[2]: SealBroken("broken")}
    vault.plain = {UIDS[3]: b"no seal"}
    seals = Seals(UIDS, vault.read)
    assert seals.take(UIDS[0]).size
    for uid, trouble in ((UIDS[1], NoSeal), (UIDS[2], SealBroken), (UIDS[3], WrongSeal)):
        with pytest.raises(trouble):
            seals.take(uid)
    assert seals.take(UIDS[4]).size


def test_what_is_nobody_s_expected_trouble_is_not_kept() -> None:
    vault = Vault()
    vault.troubles = {UIDS[0]: MemoryError()}
    with pytest.raises(MemoryError):
        Seals(UIDS, vault.read).take(UIDS[0])


def test_a_large_seal_is_the_last_of_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "ENOUGH", 2 * len(SEALED))
    vault = Vault()
    seals = Seals(UIDS, vault.read)
    seals.take(UIDS[0])
    assert vault.opened == UIDS[:3]
    seals.take(UIDS[4])  # one was passed over: its seal waits, and no others are opened for it
    assert vault.opened == [*UIDS[:3], *UIDS[4:7]]
    seals.take(UIDS[1])
    assert len(vault.opened) == 6


def test_another_image_s_seal_is_not_among_them() -> None:
    with pytest.raises(KeyError):
        Seals(UIDS, Vault().read).take("2.25.999")
