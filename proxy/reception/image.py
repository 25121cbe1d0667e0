"""One image on its way from the wire to the disk.

The header comes first. As soon as the engine has read it, the vault says who the person is, the engine takes
the identity out, and the gates have their first word. From then on only clean bytes are kept, in a file already
while the rest still comes (`cleanfile`); an image that a gate stops goes, encrypted, into quarantine instead. What is
kept of the original until then is in memory.

The order of durability (promise 2): the file, its folders, then one transaction with instance, seal and study,
then Success. A crash in between leaves a file that no row names, which `doctor --repair` removes; so does a commit
whose answer is lost, because the row that names the file may be there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.utils import timezone

from proxy.commits import InDoubt
from proxy.deid import Clean, Engine, Facts, Hold, Pass, restored_pieces
from proxy.deid.syntaxes import IMPLICIT
from proxy.network.door import StoreCommand
from proxy.quarantine import keeping
from proxy.quarantine.keeping import Spool
from proxy.quarantine.models import HeldItem
from proxy.reception import charging, pairs, rows
from proxy.reception.budget import Budget, Share
from proxy.reception.cleanfile import CleanFile
from proxy.reception.engines import engine_for
from proxy.reception.replies import MISMATCH, NOT_TAKEN, OTHER_STUDY, NoRoom, WrongImage
from proxy.reception.storing import Commit, Freed, Written
from proxy.reception.treated import said
from proxy.reception.twins import second_look
from proxy.routing.excluding import rule_for
from proxy.routing.match import NodeFacts, RouteFacts
from proxy.storage.files import remove
from proxy.storage.space import has_room
from proxy.studies import excluding, index
from proxy.studies.index import OTHER_CONTENT, Arrival, Conflict
from proxy.vault import pseudonyms, seals
from proxy.vault.keyring import current
from proxy.vault.pseudonyms import Known

Bytes = bytes | memoryview
MEGABYTE = 1 << 20
BUFFERS = 3 * MEGABYTE  # of an image's file and of its association
EXCLUDED = "Its series is excluded by the rule “{rule}”."
BUDGET = Budget(lambda: settings.DICOM_MEMORY_LIMIT * MEGABYTE)


@dataclass(frozen=True, slots=True)
class Kept:
    """The image is in the index, now or since an earlier time."""


@dataclass(frozen=True, slots=True)
class Held:
    """The image is in quarantine, for these reasons."""

    holds: tuple[Hold, ...]


class Commits(Protocol):
    def commit(self, job: Commit) -> Written: ...


@dataclass(slots=True)
class Image:
    commits: Commits
    route: RouteFacts
    node: NodeFacts | None
    command: StoreCommand | None  # none for an image that comes out of quarantine
    transfer_syntax: str
    waived: frozenset[str] = frozenset()  # gates that a person has opened for this image
    frees: Freed | None = None  # the held item that this image was
    _engine: Engine = field(init=False)
    _pass: Pass = field(init=False)
    _refuses: bool = field(init=False)
    _known: Known | None = field(init=False, default=None)
    _facts: Facts | None = field(init=False, default=None)
    _holds: tuple[Hold, ...] = field(init=False, default=())
    _original: list[bytes] = field(init=False, default_factory=list)
    _clean: CleanFile = field(init=False)
    _spool: Spool | None = field(init=False, default=None)
    _share: Share = field(init=False, default_factory=lambda: Share(BUDGET))

    def __post_init__(self) -> None:
        if not has_room(settings.DICOM_STORAGE_DIR, settings.DISK_WATERMARK * MEGABYTE):
            raise NoRoom
        charging.refuse_when_used_up(self.route.project_id, timezone.now())
        current().check()
        self._engine = engine_for(self.route.recipe)
        self._refuses = self._engine.recipe.gate("burned-in") == "refuse"
        self._pass = self._engine.begin(
            self.transfer_syntax, masks="burned-in" not in self.waived, copies=False
        )
        self._clean = CleanFile(studies_folder(), self.route.project_id)

    # --- while bytes come ---------------------------------------------------------------------

    def feed(self, view: memoryview) -> None:
        self._share.hold(self._pass.weight + BUFFERS + len(view))
        self._pass.feed(view)
        if self._spool is not None:
            self._spool.write(view)
        elif self._known is None:
            self._original.append(bytes(view))
        self._go_on()

    def _go_on(self) -> None:
        """Settle the header once it is whole; what is clean by now goes into its file before the view dies."""
        if self._known is None and self._pass.facts is not None:
            self._share.hold(self._pass.weight + BUFFERS)
            self._identify(self._pass.facts)
            self._clean.begin(self._pass.meta)
        if self._known is not None:
            ready = self._pass.take()
            if self._spool is None:
                self._clean.add(ready, self._pass.values)

    def _identify(self, facts: Facts) -> None:
        """Who is it, and may it pass?"""
        check(facts, self.command)
        self._facts = facts
        self._known = self._person(facts)
        self._holds = self._standing(self._pass.settle(self._known.subject))
        if self._holds:
            self._to_quarantine(self._known, self._original)
        self._original.clear()

    def _person(self, facts: Facts) -> Known:
        issuer = facts.issuer or (self.node.issuer if self.node else "") or self.route.project_issuer
        identity = {"name": facts.patient_name}
        return pseudonyms.person_for(
            self.route.project_id,
            issuer,
            facts.patient_id,
            identity,
            facts.study_uid,
            has_study=partial(keeping.has_study, self.route.project_id),
        )

    def _standing(self, holds: Sequence[Hold]) -> tuple[Hold, ...]:
        """The gates that still say no. A recipe may refuse what it will not even keep in quarantine."""
        standing = tuple(hold for hold in holds if hold.code not in self.waived)
        if self._refuses and any(hold.code == "burned-in" for hold in standing):
            raise WrongImage(NOT_TAKEN, "The recipe refuses images that may show a name.")
        return standing

    def _to_quarantine(self, known: Known, pieces: Iterable[Bytes]) -> None:
        self._spool = keeping.spool(self.route.project_id, known.wrap)
        for piece in pieces:
            self._spool.write(piece)

    # --- at the end ---------------------------------------------------------------------------

    def finish(self) -> Kept | Held:
        """Returns when the image is safe, in the index or in quarantine; raises what kept it from that."""
        try:
            return self._finish()
        finally:
            self._share.release()

    def _finish(self) -> Kept | Held:
        self._pass.end()
        self._go_on()
        clean = self._pass.finish()
        if self._facts is None or self._known is None:
            raise WrongImage(MISMATCH, "The data set has no header.")
        self._holds = self._standing(clean.holds)
        if not self._holds:
            self._clean.add(clean.rest, clean.values)
            return self._keep(clean, self._facts, self._known)
        if self._spool is None:  # what stands at its end may be why it is held
            self._original_to_quarantine(clean, self._known, clean.rest)
        self._clean.discard()
        return self._hold(clean, self._holds)

    def _keep(self, clean: Clean, facts: Facts, known: Known) -> Kept | Held:
        path = self._clean.finish()
        job: Commit | None = None
        try:
            job = self._job(clean, facts, known, path)
            outcome = self.commits.commit(job)
        except InDoubt:
            raise  # its rows may name these files
        except Exception:
            _undo(path, job)
            raise
        if outcome is OTHER_CONTENT:
            uid = rows.plain(clean.values, rows.SOP_UID)
            with self._clean.data() as file:
                sent = restored_pieces(file, clean.transfer_syntax, clean.seal)
                outcome = second_look(
                    self.route.project_id, uid, sent, self._clean.size, self.transfer_syntax
                )
        if isinstance(outcome, index.Stored):
            pairs.remember(known, clean.values)
            return Kept()
        if isinstance(outcome, index.Duplicate) and index.is_at(outcome.instance_id, path):
            return Kept()
        try:
            if isinstance(outcome, Conflict):
                self._original_to_quarantine(clean, known)
        finally:
            _undo(path, job)
        return (
            self._hold(clean, (Hold(outcome.code, outcome.reason),))
            if isinstance(outcome, Conflict)
            else Kept()
        )

    def _job(self, clean: Clean, facts: Facts, known: Known, path: str) -> Commit:
        size = len(clean.meta) + self._clean.size
        uid = rows.plain(clean.values, rows.SOP_UID)
        return Commit(
            arrival=self._arrival(clean, known, path, size),
            seal=seals.seal_row(known, self.route.project_id, uid, clean.seal),
            uid_pairs=pairs.fresh(known, facts, clean.values),
            study_keys=pairs.fresh_keys(known, facts, clean.values),
            frees=self.frees,
        )

    def _arrival(self, clean: Clean, known: Known, path: str, size: int) -> Arrival:
        now = timezone.now()
        values, implicit = clean.values, clean.transfer_syntax == IMPLICIT
        return Arrival(
            project_id=self.route.project_id,
            route_id=self.route.id,
            destination_ids=self.route.destination_ids,
            node_id=self.node.id if self.node else None,
            patient=known.pseudonym,
            study_uid=rows.plain(values, rows.STUDY_UID),
            study=partial(rows.columns, values, rows.STUDY, implicit=implicit),
            series_uid=rows.plain(values, rows.SERIES_UID),
            series=partial(rows.columns, values, rows.SERIES, implicit=implicit),
            uid=rows.plain(values, rows.SOP_UID),
            sop_class=rows.plain(values, rows.SOP_CLASS),
            transfer_syntax=clean.transfer_syntax,
            number=rows.plain(values, rows.INSTANCE_NUMBER)[:16],
            path=path,
            size=size,
            header_mac=self._mac(clean),
            bulk_digest=clean.bulk_digest.hex(),
            received_at=now,
            quiet_at=now + timedelta(seconds=settings.DICOM_STUDY_TIMEOUT),
            waived=self.waived,
            treatment=said(clean.report, self._engine, self.waived),
            pixel_rows=rows.number(values, rows.PIXEL_ROWS),
            pixel_columns=rows.number(values, rows.PIXEL_COLUMNS),
            bits=rows.number(values, rows.BITS),
            frames=rows.plain(values, rows.FRAMES)[:12],
            rule=self._rule(),
        )

    def _rule(self) -> str:
        """Of the route, by which this series never leaves: only here the description is still the sender's."""
        return rule_for(self._facts.series_description, self.route.exclude) if self._facts else ""

    def _mac(self, clean: Clean) -> str:
        return current().blind(self.route.project_id, clean.header_digest.hex())

    # --- quarantine ---------------------------------------------------------------------------

    def _original_to_quarantine(self, clean: Clean, known: Known, behind: Sequence[Bytes] = ()) -> None:
        """Restored from what is clean by now: nothing identified was kept. `behind` is the end that was not written."""
        with self._clean.data(behind) as file:
            self._to_quarantine(known, restored_pieces(file, clean.transfer_syntax, clean.seal))

    def _hold(self, clean: Clean, holds: tuple[Hold, ...]) -> Held:
        spool, values = self._spool, clean.values
        if spool is None or self._known is None:
            raise RuntimeError("held without a spool")
        item = HeldItem(
            project_id=self.route.project_id,
            route_id=self.route.id,
            node_id=self.node.id if self.node else None,
            code=",".join(dict.fromkeys(hold.code for hold in holds))[:64],
            reason=" ".join(hold.reason for hold in holds)[:255],
            patient=self._known.pseudonym,
            study_uid=rows.plain(values, rows.STUDY_UID),
            uid=rows.plain(values, rows.SOP_UID),
            sop_class=rows.plain(values, rows.SOP_CLASS),
            transfer_syntax=self.transfer_syntax,
            header_mac=self._mac(clean),
            bulk_digest=clean.bulk_digest.hex(),
            path=spool.path,
            held_at=timezone.now(),
        )
        if holds[0].code not in index.CONFLICTS and (
            why := self._ruled_out(rows.plain(values, rows.SERIES_UID))
        ):
            item = keeping.discarded_by_rule(item, why)
        keeping.hold(item, spool, self.route.destination_ids, partial(seals.must_live, self._known))
        return Held(holds)

    def _ruled_out(self, series_uid: str) -> str:
        """Why nobody needs to look at it: its series never leaves, and nobody has included that."""
        rule = self._rule()
        if not rule or excluding.is_included(self.route.project_id, series_uid, self.route.id):
            return ""
        return EXCLUDED.format(rule=rule)

    def abort(self) -> None:
        self._share.release()
        if self._spool is not None:
            self._spool.discard()
        self._original.clear()
        self._clean.discard()


def _undo(path: str, job: Commit | None) -> None:
    """Files of an image that the index did not take."""
    remove(studies_folder() / path)
    if job is not None:
        seals.discard(job.seal)


def check(facts: Facts, command: StoreCommand | None) -> None:
    """The data set must be what its command says (PS3.4 B.2.3: 0xA900), and have a place in the hierarchy."""
    if not (facts.sop_class_uid and facts.sop_instance_uid and facts.study_uid and facts.series_uid):
        raise WrongImage(MISMATCH, "A UID of study, series or instance is missing.")
    if command is None:
        return
    if (facts.sop_class_uid, facts.sop_instance_uid) != (command.sop_class_uid, command.sop_instance_uid):
        raise WrongImage(MISMATCH, "The UIDs of command and data set differ.")
    check_study(facts.study_uid, command)


def check_study(uid: str, command: StoreCommand) -> None:
    if command.study_uid and uid != command.study_uid:
        raise WrongImage(OTHER_STUDY, "It is of another study than its STOW-RS request says.")


def studies_folder() -> Path:
    return _studies_in(settings.DICOM_STORAGE_DIR)


@lru_cache(maxsize=8)
def _studies_in(storage: Path) -> Path:
    return Path(storage) / "studies"
