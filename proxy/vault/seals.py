"""What was taken from an image, and what its UIDs were: tokens in rows, or sealed files when they are large.

`seal_row` and `pair_rows` only prepare (a large seal's file is already durable then); `keep` and `keep_pairs`
write many at once inside the caller's transaction, and refuse if a person was forgotten meanwhile.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from proxy import sql
from proxy.storage import files, sealed
from proxy.storage.errors import SealBroken
from proxy.vault import tokens
from proxy.vault.keyring import current
from proxy.vault.models import Seal, UidPair
from proxy.vault.pseudonyms import Forgotten as Forgotten  # noqa: PLC0414 - others take it from here
from proxy.vault.pseudonyms import Known, data_key, known_by

SMALL: Final = 49_152
"""As much becomes a token of 64 KiB in a row; more becomes a file."""


PAGE: Final = 500


class SealRow(NamedTuple):
    """A seal that is not in the database yet; its columns are those of the table."""

    project_id: int
    sop_uid: str
    person_id: int
    token: bytes | None
    path: str
    size: int


class PairRow(NamedTuple):
    """A pair of UIDs that is not in the database yet."""

    project_id: int
    uid: str
    person_id: int
    kind: str
    token: bytes


class Found(NamedTuple):
    """So much of a row as opening it takes."""

    project_id: int
    sop_uid: str
    person_id: int
    token: bytes | None
    path: str


class NoSeal(LookupError):
    """We hold no seal for this instance."""

    status = 0x0110


_FOUND: Final = ", ".join(Found._fields)


def vault_root() -> Path:
    return Path(settings.DATA_DIR) / "vault"


def seal_row(known: Known, project_id: int, sop_uid: str, plain: bytes) -> SealRow:
    """To be kept; `sop_uid` is pseudonymous. Raises StorageFull when a file has no room."""
    if project_id != known.project_id:
        raise ValueError("A person is sealed in their own project.")
    context = _context(project_id, sop_uid)
    if len(plain) <= SMALL:
        token = tokens.encrypt(known.data_key, context, plain)
        return SealRow(project_id, sop_uid, known.person_id, token, "", len(token))
    path, size = _write_file(known, context, plain)
    return SealRow(project_id, sop_uid, known.person_id, None, path, size)


def keep(seals: Sequence[SealRow]) -> None:
    """Write many rows. Raises Forgotten if one of the persons is gone: then receive the image again."""
    now = sql.time(timezone.now())
    _insert("vault_seal", (*SealRow._fields, "created_at"), [(*seal, now) for seal in seals])


def must_live(known: Known) -> None:
    """Nobody forgets them before this transaction is over. Raises Forgotten if somebody has."""
    _all_live({known.person_id})


def open_seal(project_id: int, sop_uid: str) -> bytes:
    """For `reidentify`, and for reception's look whether a second image is the same.

    Raises NoSeal, Forgotten, SealBroken, KeysMissing.
    """
    seal = Seal.objects.select_related("person").filter(project_id=project_id, sop_uid=sop_uid).first()
    if seal is None:
        raise NoSeal("There is no seal for this instance.")
    return open_row(seal)


def open_row(seal: Seal) -> bytes:
    if seal.person.forgotten_at is not None:
        raise Forgotten("This person was forgotten.")
    return open_for(known_by(seal.person), seal)


def find(project_id: int, sop_uids: Sequence[str]) -> Iterator[Found]:
    """Those of these that there are; of a study's images a model for each would cost as much as to open them."""
    for at in range(0, len(sop_uids), PAGE):
        page = sop_uids[at : at + PAGE]
        statement = (
            f"SELECT {_FOUND} FROM vault_seal WHERE project_id = %s AND sop_uid IN ({sql.marks(page)})"  # noqa: S608
        )
        yield from (Found(*row) for row in sql.ask(statement, project_id, *page))


def open_for(known: Known, seal: Seal | Found) -> bytes:
    """With the handle of the person whose seal it is."""
    if seal.path:
        return _read_file(known, seal)
    if seal.token is None:
        raise SealBroken("This seal is empty although its person was not forgotten.")
    return tokens.decrypt(known.data_key, _context(seal.project_id, seal.sop_uid), seal.token)


def pair_rows(known: Known, pairs: Mapping[str, tuple[str, str]]) -> list[PairRow]:
    """Rows to be kept for pseudonymous UID -> (kind, original UID)."""
    return [_pair_row(known, uid, kind, original) for uid, (kind, original) in pairs.items()]


def keep_pairs(rows: Sequence[PairRow]) -> None:
    """Write many rows; those that are there already say the same and stay."""
    _insert("vault_uidpair", PairRow._fields, sorted(rows), on_conflict="ON CONFLICT DO NOTHING")


def open_pair(pair: UidPair) -> str:
    if pair.person.forgotten_at is not None:
        raise Forgotten("This person was forgotten.")
    key = data_key(current(), pair.person)
    return tokens.decrypt(key, _pair_context(pair.project_id, pair.uid), pair.token).decode(
        "utf-8", "surrogatepass"
    )


def orphans(older_than: float, now: float) -> Iterator[Path]:
    """Sealed files that no row names, left by a crash before the commit; young ones may be on their way."""
    named = set(Seal.objects.exclude(path="").values_list("path", flat=True))
    root = vault_root()
    for path in root.rglob("*.seal"):
        if str(path.relative_to(root)) not in named and path.stat().st_mtime < now - older_than:
            yield path


def missing() -> Iterator[Seal]:
    """Rows whose sealed file is gone: these images cannot be restored any more."""
    for seal in Seal.objects.exclude(path="").iterator():
        if not (vault_root() / seal.path).is_file():
            yield seal


def numbers(project_id: int, sop_uids: Sequence[str]) -> dict[str, int]:
    """Of the seals that these images have now; who comes again brings another one."""
    rows = Seal.objects.filter(project_id=project_id, sop_uid__in=sop_uids)
    return dict(rows.values_list("sop_uid", "pk"))


def drop(project_id: int, sop_uids: Sequence[str]) -> int:
    """These images cannot be restored from now on. How many seals went."""
    return _drop(Seal.objects.filter(project_id=project_id, sop_uid__in=sop_uids))


def drop_these(numbers: Sequence[int]) -> int:
    """For retention: none that came meanwhile in the place of one of these."""
    return _drop(Seal.objects.filter(pk__in=numbers))


def _drop(rows: QuerySet[Seal]) -> int:
    with transaction.atomic():
        paths = paths_of(rows)
        count, _ = rows.delete()
        transaction.on_commit(lambda: remove_files(paths), robust=True)  # or `doctor --repair` finds them
    return count


def paths_of(rows: QuerySet[Seal]) -> list[Path]:
    return [vault_root() / path for path in rows.exclude(path="").values_list("path", flat=True)]


def remove_files(paths: Iterable[Path]) -> None:
    """After the commit. What a crash leaves here, nobody's row names: see `orphans`."""
    for path in paths:
        files.remove(path)


def discard(seal: SealRow) -> None:
    """Of a row that was not kept: a large one has its file already."""
    if seal.path:
        files.remove(vault_root() / seal.path)


def _pair_row(known: Known, uid: str, kind: str, original: str) -> PairRow:
    plain = original.encode("utf-8", "surrogatepass")
    token = tokens.encrypt(known.data_key, _pair_context(known.project_id, uid), plain)
    return PairRow(known.project_id, uid, known.person_id, kind, token)


def _insert(
    table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, on_conflict: str = ""
) -> None:
    if rows:
        person = columns.index("person_id")
        with transaction.atomic(savepoint=False):
            _all_live({row[person] for row in rows})
            sql.insert_many(table, columns, rows, on_conflict=on_conflict)


def _all_live(person_ids: set[int]) -> None:
    """Locks the rows (in key order) where the database can, so that nobody forgets them before we commit."""
    ids = sorted(person_ids)
    statement = (
        f"SELECT id FROM vault_person WHERE id IN ({sql.marks(ids)}) AND forgotten_at IS NULL"  # noqa: S608
        f" ORDER BY id {sql.lock('FOR SHARE')}"
    )
    if len(sql.ask(statement, *ids)) != len(ids):
        raise Forgotten("A person was forgotten while their image was on its way.")


def _write_file(known: Known, context: str, plain: bytes) -> tuple[str, int]:
    name = token_hex(16)
    relative = f"{known.project_id}/{name[:2]}/{name}.seal"
    with files.stage(vault_root(), relative) as staged:
        writer = sealed.SealedWriter(staged.write, known.wrap, context.encode())
        writer.write(plain)
        writer.finish()
        staged.commit()
        return relative, staged.size


def _read_file(known: Known, seal: Seal | Found) -> bytes:
    context = _context(seal.project_id, seal.sop_uid).encode()
    try:
        return sealed.read_sealed(vault_root() / seal.path, known.unwrap, context)
    except FileNotFoundError:
        raise SealBroken("The file of this seal is gone.") from None


def _context(project_id: int, sop_uid: str) -> str:
    return f"seal:{project_id}:{sop_uid}"


def _pair_context(project_id: int, uid: str) -> str:
    return f"uid:{project_id}:{uid}"
