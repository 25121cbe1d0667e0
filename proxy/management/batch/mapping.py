"""The map of a batch: which clean file was which original. Whoever holds it in clear holds the identities.

By default it is sealed: each row is encrypted with its person's own data key, so that a person who is forgotten is
forgotten in old maps too, and the whole with the project's. Reading one is a look at identities (`read`): a
permission, a purpose, a mark for each person. A plain map is CSV for a spreadsheet; what a spreadsheet would take for
a formula is defused.
"""

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.db import transaction
from django.db.models import QuerySet

from proxy.audit import actions
from proxy.audit.record import record
from proxy.deid import Facts
from proxy.management.batch.fates import Done, Uids
from proxy.storage import sealed
from proxy.storage.files import sync_folder
from proxy.vault import tokens
from proxy.vault.models import Person
from proxy.vault.projects import wrapping
from proxy.vault.pseudonyms import Known, known_by
from proxy.vault.reidentify import VIEW, Principal, allowed, must_have_room

SEALED, PLAIN = "sealed", "plain"
SUFFIX: Final = ".sealed"
COLUMNS: Final = (
    "original_file", "clean_file", "issuer", "patient_id", "study_uid", "series_uid", "sop_instance_uid", "pseudonym",
    "clean_study_uid", "clean_series_uid", "clean_sop_instance_uid", "shift_days",
)  # fmt: skip
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def row(kind: str, known: Known, facts: Facts, uids: Uids, original: str) -> bytes:
    """One image's row, as JSON; a token under its person's data key if it is to be sealed."""
    cells = {
        "original_file": original,
        "issuer": facts.issuer,
        "patient_id": facts.patient_id,
        "study_uid": facts.study_uid,
        "series_uid": facts.series_uid,
        "sop_instance_uid": facts.sop_instance_uid,
        "pseudonym": known.pseudonym,
        "clean_study_uid": uids.study,
        "clean_series_uid": uids.series,
        "clean_sop_instance_uid": uids.instance,
        "shift_days": str(known.shift_days),
    }
    plain = json.dumps(cells).encode("ascii")
    return plain if kind == PLAIN else tokens.encrypt(known.data_key, _context(known.project_id), plain)


def _context(project_id: int) -> str:
    return f"map:{project_id}"


def write(
    path: Path, kind: str, project_id: int, dones: Iterable[tuple[Done, str]], *, replace: bool
) -> None:
    """`dones` with the clean file's relative path. Raises FileExistsError unless it may replace what is there."""
    beside = path.with_name(f"{path.name}.part")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            if kind == PLAIN:
                file.write(
                    as_csv([_cells(done.row, clean) for done, clean in dones]).encode(
                        "utf-8", "backslashreplace"
                    )
                )
            else:
                _write_sealed(file, project_id, dones)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            beside.replace(path)
        else:
            os.link(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.absolute().parent)


def write_new(path: Path, text: str) -> None:
    """For the reader's eyes only. Raises FileExistsError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)


def _write_sealed(file: io.BufferedWriter, project_id: int, dones: Iterable[tuple[Done, str]]) -> None:
    wrap, _ = wrapping(project_id)
    writer = sealed.SealedWriter(file.writelines, wrap, _context(project_id).encode())
    for done, clean in dones:
        patient = done.uids.patient if done.uids else ""
        line = {"pseudonym": patient, "clean_file": clean, "row": done.row.decode("ascii")}
        writer.write(json.dumps(line).encode("ascii") + b"\n")
    writer.finish()


@dataclass(frozen=True, slots=True, repr=False)
class Read:
    """The rows of a sealed map, and how many are of persons who were forgotten."""

    rows: Sequence[Sequence[str]]
    forgotten: int


def read(path: Path, project_id: int, who: Principal, purpose: str) -> Read:
    """Raises NotAllowed before any row is opened, also for more persons than an hour allows; SealBroken for what is no
    whole map of this project."""
    allowed(who, VIEW, "a map", project_id, purpose)
    _, unwrap = wrapping(project_id)
    lines = sealed.read_sealed(path, unwrap, _context(project_id).encode()).splitlines()
    sealed_rows = [json.loads(line) for line in lines]
    living = {person.pseudonym for person in _living(project_id, sealed_rows)}
    must_have_room(who, living, purpose, {"project": project_id})
    with transaction.atomic():
        opened = list(_opened(project_id, sealed_rows))
        rows = [_cells(plain, clean) for _, plain, clean in opened if plain]
        for pseudonym, count in sorted(Counter(one for one, plain, _ in opened if plain).items()):
            detail = {"project": project_id, "rows": count}
            record(actions.MAP_READ, actor=who.name, subject=pseudonym, purpose=purpose, detail=detail)
    return Read(rows, len(opened) - len(rows))


def _opened(project_id: int, lines: Sequence[dict[str, str]]) -> Iterator[tuple[str, bytes, str]]:
    """(pseudonym, row in clear, clean file); the row is empty for whoever was forgotten."""
    keys = {person.pseudonym: known_by(person).data_key for person in _living(project_id, lines)}
    for line in lines:
        name = line["pseudonym"]
        key = keys.get(name)
        plain = tokens.decrypt(key, _context(project_id), line["row"].encode()) if key else b""
        yield name, plain, line["clean_file"]


def _living(project_id: int, lines: Sequence[dict[str, str]]) -> "QuerySet[Person]":
    names = {line["pseudonym"] for line in lines}
    return Person.objects.filter(project_id=project_id, pseudonym__in=names, forgotten_at__isnull=True)


def _cells(plain: bytes, clean: str) -> list[str]:
    cells = {**json.loads(plain), "clean_file": clean}
    return [cells[name] for name in COLUMNS]


def as_csv(rows: Iterable[Sequence[str]]) -> str:
    """For a spreadsheet: a cell that it would take for a formula gets an apostrophe in front."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([[_defused(cell) for cell in cells] for cells in rows])
    return out.getvalue()


def _defused(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) else cell
