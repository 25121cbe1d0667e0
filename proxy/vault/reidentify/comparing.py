"""A look at many, for a query of a standing grant: persons to compare with, and those among them who are answered."""

from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

from proxy import sql
from proxy.audit import actions
from proxy.audit.record import Mark, record_all
from proxy.storage.errors import SealBroken
from proxy.vault import seals
from proxy.vault.models import Person
from proxy.vault.pseudonyms import known_all
from proxy.vault.reidentify.asking import VIEW, NotAllowed, Principal, allowed, must_have_room
from proxy.vault.reidentify.identity import Identity, read
from proxy.vault.reidentify.opening import found_seals
from proxy.vault.remembered import Remembered

_identities: Remembered[bytes, Identity] = Remembered(50_000, 300.0)
_OF_IDENTITY: Final = ("project_id", "pseudonym", "wrapped_key", "identity")
_LIVING: Final = (
    f"SELECT {', '.join(_OF_IDENTITY)} FROM vault_person"  # noqa: S608 - our own names
    " WHERE project_id = %s AND forgotten_at IS NULL"
)


@dataclass(frozen=True, slots=True, repr=False)
class Look:
    """A look at many, to compare and to answer; made by `looking_among`.

    That there was one leaves a mark, with the first answer or at its end (`over`), and so does everybody who is
    answered: `mark` comes before the answer leaves.
    """

    principal: Principal
    projects: frozenset[int]
    purpose: str
    _unsaid: list[dict[str, Any]] = field(default_factory=list)

    def identities(self, project_id: int, pseudonyms: Collection[str] | None = None) -> Iterator[Identity]:
        """Of those of these who live, or of all; their rows are read each time, and only the new ones decrypted."""
        self._within(project_id)
        with closing(_living_rows(project_id, pseudonyms)) as rows:
            for row in rows:
                token = bytes(row[-1])
                identity = _identities.get(token)
                if identity is None:
                    identity = read(Person(**dict(zip(_OF_IDENTITY, row, strict=True))))
                    _identities.put(token, identity)
                yield identity

    def seals(self, project_id: int, sop_uids: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Plain; of those that there are, of persons who live. Raises KeysMissing."""
        self._within(project_id)
        found = found_seals(project_id, set(sop_uids))
        persons = {seal.person_id: seal.person for seal in found.values()}
        handles = known_all(one for one in persons.values() if one.forgotten_at is None)
        for uid, seal in found.items():
            if seal.person_id in handles:
                try:
                    yield uid, seals.open_for(handles[seal.person_id], seal)
                except SealBroken:
                    continue  # `doctor` finds it

    def mark(self, persons: Collection[tuple[int, str]]) -> None:
        """These (project, pseudonym) are about to be answered. Raises NotAllowed where that is too much for an hour."""
        self._spare({pseudonym for _, pseudonym in persons})
        for project_id in {project_id for project_id, _ in persons}:
            self._within(project_id)
        self._say(
            [
                Mark(
                    actions.IDENTITY_FOUND,
                    self.principal.name,
                    pseudonym,
                    self.purpose,
                    {"project": project_id},
                )
                for project_id, pseudonym in sorted(persons)
            ]
        )

    def over(self) -> None:
        """To be called whatever became of it."""
        self._say([])

    def _say(self, found: list[Mark]) -> None:
        """Together with that there was a look, unless that was said before."""
        actor, purpose = self.principal.name, self.purpose
        asked = [Mark(actions.IDENTITIES_QUERIED, actor, "", purpose, detail) for detail in self._unsaid]
        if asked or found:
            record_all(asked + found)
            self._unsaid.clear()

    def _spare(self, pseudonyms: Collection[str]) -> None:
        must_have_room(self.principal, pseudonyms, self.purpose, {"projects": sorted(self.projects)})

    def _within(self, project_id: int) -> None:
        if project_id not in self.projects:
            raise NotAllowed("This look does not reach so far.")


def looking_among(
    principal: Principal, project_ids: Collection[int], purpose: str, asked: Mapping[str, Any]
) -> Look:
    """For a query of a standing grant; `asked` says for the mark what was asked about, in keywords, without values."""
    for project_id in sorted(project_ids):
        allowed(principal, VIEW, "a query", project_id, purpose)
    detail = {"projects": sorted(project_ids), **asked}
    return Look(principal, frozenset(project_ids), purpose, [detail])


def _living_rows(project_id: int, pseudonyms: Collection[str] | None) -> Generator[sql.Row, None, None]:
    if pseudonyms is None:
        yield from sql.stream(_LIVING, project_id)
    else:
        yield from sql.ask(f"{_LIVING} AND {sql.among('pseudonym')}", project_id, sql.packed(pseudonyms))
