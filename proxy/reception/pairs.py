"""The UIDs of study, series and frame of reference are kept in the vault once, not with each of a thousand images."""

from collections import OrderedDict
from threading import Lock

from proxy.deid import Facts
from proxy.reception import rows
from proxy.reception.rows import Values
from proxy.vault import seals, studykeys
from proxy.vault.models import Person, UidPair
from proxy.vault.pseudonyms import Known
from proxy.vault.seals import PairRow
from proxy.vault.studykeys import StudyKeyRow

REMEMBERED = 10_000
_written: OrderedDict[tuple[int, str], None] = OrderedDict()
_lock = Lock()


def fresh(known: Known, facts: Facts, values: Values) -> tuple[PairRow, ...]:
    """Rows for those that this process has not seen committed yet."""
    originals = {
        rows.plain(values, rows.STUDY_UID): (UidPair.STUDY, facts.study_uid),
        rows.plain(values, rows.SERIES_UID): (UidPair.SERIES, facts.series_uid),
        rows.plain(values, rows.FRAME_UID): (UidPair.FRAME, facts.frame_uid),
    }
    wanted = {uid: pair for uid, pair in originals.items() if uid and not _is_written(known, uid)}
    return tuple(seals.pair_rows(known, wanted))


def fresh_keys(known: Known, facts: Facts, values: Values) -> tuple[StudyKeyRow, ...]:
    """With the first image of a study, under the Patient ID that its person has by now."""
    uid = rows.plain(values, rows.STUDY_UID)
    if _is_written(known, uid):
        return ()
    if known.by_former_id:
        person = Person.objects.get(pk=known.person_id)
        return studykeys.late_rows(person, uid, facts.accession_number)
    return studykeys.rows(known, uid, facts.accession_number, facts.patient_id)


def remember(known: Known, values: Values) -> None:
    """After the commit, and not before."""
    with _lock:
        for tag in (rows.STUDY_UID, rows.SERIES_UID, rows.FRAME_UID):
            _written[known.person_id, rows.plain(values, tag)] = None
        while len(_written) > REMEMBERED:
            _written.popitem(last=False)


def _is_written(known: Known, uid: str) -> bool:
    return (known.person_id, uid) in _written
