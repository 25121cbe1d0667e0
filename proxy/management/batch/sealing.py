"""Seals of a group of clean files: one transaction, and never one too few.

A batch may come again (then the seals that are there say the same and stay), or come again under another recipe, or
hold two files of one UID with other content. Each clean file must find its way back, so a seal that says something
else than the one that is there is kept beside it, under a name made of the clean file's content.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.db import transaction

from proxy.deid.restore import leads_back
from proxy.deid.seal import alike
from proxy.vault import seals
from proxy.vault.models import Seal
from proxy.vault.pseudonyms import Known


@dataclass(frozen=True, slots=True)
class Draft:
    """A seal that may have to be kept."""

    known: Known
    uid: str
    plain: bytes = field(repr=False)
    part: Path  # the clean file
    pairs: Mapping[str, tuple[str, str]] = field(repr=False, default_factory=dict)


def keep(project_id: int, drafts: Sequence[Draft]) -> None:
    """Raises Forgotten, IntegrityError (somebody was faster: do it again) and what a database that is away raises."""
    there = _there(project_id, {draft.uid for draft in drafts})
    wanted: dict[str, Draft] = {}
    for draft in drafts:
        name = _name(draft, there, wanted)
        if name not in there and not (name != draft.uid and _there(project_id, {name})):
            wanted.setdefault(name, draft)
    rows = [seals.seal_row(one.known, project_id, name, one.plain) for name, one in wanted.items()]
    with transaction.atomic():
        seals.keep(rows)
        seals.keep_pairs(list(_pairs(drafts).values()))


def versions(project_id: int, uid: str, content: bytes) -> list[str]:
    """Names of seals that may belong to this clean file: made for this very content, the instance's own, others."""
    beside = Seal.objects.filter(project_id=project_id, sop_uid__startswith=_stem(uid))
    names = list(beside.order_by("sop_uid").values_list("sop_uid", flat=True))
    own = _stem(uid) + hashlib.sha256(content).hexdigest()[:16]
    exact = [name for name in names if name.startswith(own)]
    return [*exact, uid, *(name for name in names if name not in exact)]


def _there(project_id: int, names: set[str]) -> dict[str, Seal]:
    rows = Seal.objects.select_related("person").filter(project_id=project_id, sop_uid__in=names)
    return {row.sop_uid: row for row in rows}


def _name(draft: Draft, there: dict[str, Seal], wanted: dict[str, Draft]) -> str:
    """The instance's own, unless a seal that says something else has it."""
    if draft.uid in there:
        same = _says(there[draft.uid], draft)
    else:
        same = draft.uid not in wanted or _is_said(wanted[draft.uid].plain, draft)
    return draft.uid if same else _other_name(draft)


def _says(row: Seal, draft: Draft) -> bool:
    is_theirs = row.person_id == draft.known.person_id  # else two persons share it
    return is_theirs and _is_said(seals.open_row(row), draft)


def _is_said(plain: bytes, draft: Draft) -> bool:
    return alike(plain, draft.plain) and leads_back(draft.part, plain)


def _pairs(drafts: Iterable[Draft]) -> dict[tuple[int, str], seals.PairRow]:
    """What study and series were called, once for each: derived results find their way by them."""
    pairs: dict[tuple[int, str], seals.PairRow] = {}
    for draft in drafts:
        fresh = {uid: pair for uid, pair in draft.pairs.items() if (draft.known.person_id, uid) not in pairs}
        for row in seals.pair_rows(draft.known, fresh):
            pairs[row.person_id, row.uid] = row
    return pairs


def _stem(uid: str) -> str:
    return hashlib.sha256(uid.encode()).hexdigest()[:24] + "~"


def _other_name(draft: Draft) -> str:
    """In 58 characters, whatever the length of the UID."""
    with draft.part.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    return f"{_stem(draft.uid)}{content}~{hashlib.sha256(draft.plain).hexdigest()[:16]}"
