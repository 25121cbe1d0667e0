"""What journeys share: send until heard, wait until true, look at what a house wrote."""

import json
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psycopg2
from pydicom import dcmread

from tests import cast
from tests.cluster import free_port
from tests.house import House
from tests.tools import debian


def wait_until(true: Callable[[], bool], what: str, seconds: float = 150) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.1)


def sent_safely(house: House, *files: Path, called: str = cast.DICOMRCV, calling: str = cast.CT_EAST) -> bool:
    """DCMTK's storescu sends them over one association; true if it heard Success for each."""
    said = subprocess.run(
        [
            debian("storescu"),
            "-v",
            "-ta",
            "120",  # DCMTK waits half a minute for an association, and a busy machine may need it
            "-R",  # its own list of classes knows no segmentations
            "-aet",
            calling,
            "-aec",
            called,
            "127.0.0.1",
            str(house.dicom_port),
            *files,
        ],
        env={"TCP_NODELAY": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    return said.returncode == 0 and (said.stdout + said.stderr).count(
        "Received Store Response (Success)"
    ) == len(files)


def send_until_safe(house: House, file: Path, seconds: float = 120) -> None:
    """What a modality does: again and again until it hears Success."""
    end = time.monotonic() + seconds
    while not sent_safely(house, file):
        assert time.monotonic() < end, "an image was never taken"
        time.sleep(0.1)


def rows(house: House, sql: str) -> list[tuple[object, ...]]:
    if house.env.get("DATABASE_ENGINE") == "postgresql":
        link = psycopg2.connect(
            host=house.env["POSTGRES_HOST"],
            port=house.env["POSTGRES_PORT"],
            user=house.env["POSTGRES_USER"],
            dbname=house.env["POSTGRES_DB"],
        )
        try:
            with link.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall())
        finally:
            link.close()
    path = house.data / "database" / "db.sqlite3"
    link_sqlite = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=100)
    try:
        return list(link_sqlite.execute(sql).fetchall())
    finally:
        link_sqlite.close()


def count(house: House, sql: str) -> int:
    return int(str(rows(house, sql)[0][0]))


def all_delivered(house: House, deliveries: int) -> bool:
    done = count(house, "SELECT count(*) FROM deliveries_delivery WHERE state = 'delivered'")
    open_ones = count(house, "SELECT count(*) FROM deliveries_delivery WHERE state <> 'delivered'")
    alive = count(house, "SELECT count(*) FROM studies_revision WHERE state <> 'delivered'")
    return done >= deliveries and not open_ones and not alive


def ledger(house: House) -> list[dict[str, object]]:
    result = house.command("ledger", "--json")
    assert result.returncode == 0, result.stdout + result.stderr
    lines = json.loads(result.stdout)
    return list(lines if isinstance(lines, list) else lines["destinations"])


def dicom_files(folder: Path) -> list[Path]:
    """Whole ones: what a kill leaves half-written is hidden, ends in `.part`, and is swept later."""
    every = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".part")
    return [path for path in every if _is_dicom(path)]


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def uids(files: Iterable[Path]) -> list[str]:
    return [str(dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in files]


def dump(house: House) -> Iterator[tuple[str, bytes]]:
    """Everything the house wrote: files under DATA_DIR, and the database as text."""
    for path in house.data.rglob("*"):
        if path.is_file():
            yield str(path.relative_to(house.data)), path.read_bytes()
        yield "a name", str(path).encode()
    for path in house.folder.glob("*.out"):
        yield path.name, path.read_bytes()
    if house.env.get("DATABASE_ENGINE") == "postgresql":
        dumped = subprocess.run(
            [debian("pg_dump"), "-h", house.env["POSTGRES_HOST"], "-p", house.env["POSTGRES_PORT"],
             "-U", house.env["POSTGRES_USER"], house.env["POSTGRES_DB"]],
            capture_output=True, check=True,
        )  # fmt: skip
        yield "the database", dumped.stdout


def leaks(house: House, needles: Iterable[str]) -> set[tuple[str, str]]:
    """(place, needle) for everything that the house wrote and that names somebody, in several encodings."""
    spelled = [(needle, cast.spellings(needle)) for needle in needles]
    return {
        (place, needle)
        for place, content in dump(house)
        for needle, forms in spelled
        if any(form in content for form in forms)
    }


class Scp:
    """A DCMTK storescp that keeps what it gets, bit for bit."""

    def __init__(self, folder: Path, port: int | None = None, *options: str) -> None:
        self.port = port or free_port()
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [
                debian("storescp"),
                "--aetitle",
                cast.ARCHIVE,
                "-od",
                folder,
                "+B",
                "+xa",
                *options,
                str(self.port),
            ],
            env={"TCP_NODELAY": "1", "PATH": "/usr/bin:/bin"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def site(house: House, archive_port: int) -> None:
    """One route from DICOMRCV to a PACS and a folder."""
    text = f"""
projects: [{{name: default, recipe: basic}}]
nodes:
  - {{name: CT_EAST, ae_title: CT_EAST, host: 127.0.0.1, port: 11104, may: [store]}}
  - {{name: ARCHIVE, ae_title: ARCHIVE, host: 127.0.0.1, port: {archive_port}, may: [find, retrieve]}}
destinations:
  - {{name: research-pacs, kind: dimse, node: ARCHIVE}}
  - {{name: outbox, kind: folder, path: outbox}}
routes:
  - {{called_ae: DICOMRCV, project: default, destinations: [research-pacs, outbox]}}
"""
    path = house.folder / "site.yaml"
    path.write_text(text)
    result = house.command("configure", str(path))
    assert result.returncode == 0, result.stdout + result.stderr
