"""What was done to images, kept once for all that were treated alike."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from proxy import sql


class Said(NamedTuple):
    """The digest (32 hex digits) of its content, which is JSON."""

    digest: str
    content: str


def keep(some: Iterable[Said]) -> None:
    """In the caller's transaction. In the order of digests, so that two who keep the same never wait in a circle."""
    by_digest = dict(some)
    missing = sorted(by_digest.keys() - _known(list(by_digest)))
    if missing:
        rows = [(digest, by_digest[digest]) for digest in missing]
        columns = ("digest", "content")
        sql.insert_many("studies_treatment", columns, rows, on_conflict="ON CONFLICT DO NOTHING")


def _known(digests: Sequence[str]) -> set[str]:
    if not digests:
        return set()
    statement = f"SELECT digest FROM studies_treatment WHERE digest IN ({sql.marks(digests)})"  # noqa: S608 - marks only
    return {digest for (digest,) in sql.ask(statement, *digests)}
