"""The one way back: permission, purpose, a mark."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from proxy.audit import actions
from proxy.audit.models import Entry, Head
from proxy.audit.record import ChainBroken
from proxy.audit.verify import verify
from proxy.deid.identifiers import map_uid
from proxy.vault import reidentify
from proxy.vault.pseudonyms import Known, person_for
from proxy.vault.reidentify import NotAllowed, Principal, Unknown
from proxy.vault.seals import NoSeal, keep, keep_pairs, pair_rows, seal_row
from tests.unguarded import unguard

pytestmark = pytest.mark.django_db
MAY = Principal("officer", lambda permission: True)
MAY_NOT = Principal("visitor", lambda permission: False)
NAME, ID, STUDY = "Example^Ada", "AE-4711", "1.2.3.4"


@pytest.fixture
def ada() -> Known:
    known = person_for(1, "EAST", ID, {"name": NAME}, STUDY)
    keep([seal_row(known, 1, map_uid(known.uid_key, "1.2.3.4.5"), b"what was taken")])
    keep_pairs(pair_rows(known, {map_uid(known.uid_key, STUDY): ("study", STUDY)}))
    return known


def marks() -> list[tuple[str, str, str, str]]:
    rows = Entry.objects.values_list("action", "actor", "subject", "purpose")
    return list(rows)


def test_promise_9_a_look_shows_who_it_is_and_leaves_a_mark(ada: Known) -> None:
    seen = reidentify.identity_of(MAY, ada.pseudonym, 1, "treatment")
    assert (seen.issuer, seen.patient_id, seen.values) == ("EAST", ID, {"name": NAME})
    assert marks() == [(actions.IDENTITY_VIEWED, "officer", ada.pseudonym, "treatment")]
    assert verify().ok


@pytest.mark.parametrize(("who", "purpose"), [(MAY_NOT, "treatment"), (MAY, ""), (MAY, "  ")])
def test_promise_9_a_refused_look_leaves_a_mark_too(ada: Known, who: Principal, purpose: str) -> None:
    with pytest.raises(NotAllowed):
        reidentify.identity_of(who, ada.pseudonym, 1, purpose)
    assert [mark[0] for mark in marks()] == [actions.IDENTITY_REFUSED]


@pytest.mark.parametrize(
    "look",
    [
        lambda ada: reidentify.identity_of(MAY_NOT, ada.pseudonym, 1, "fun"),
        lambda ada: reidentify.original_uid(MAY_NOT, map_uid(ada.uid_key, STUDY), 1, "fun"),
        lambda ada: reidentify.restore_instance(MAY_NOT, map_uid(ada.uid_key, "1.2.3.4.5"), 1, "fun"),
        lambda ada: reidentify.pseudonym_of(MAY_NOT, 1, issuer="EAST", patient_id=ID, purpose="fun"),
        lambda ada: reidentify.pseudonymous_uid(MAY_NOT, 1, STUDY, "fun"),
    ],
)
def test_promise_9_no_way_back_is_open_without_permission(ada: Known, look: object) -> None:
    assert callable(look)
    with pytest.raises(NotAllowed):
        look(ada)
    assert marks()[0][:2] == (actions.IDENTITY_REFUSED, "visitor")


def test_nobody_leafs_through_everybody(ada: Known, settings: Settings) -> None:
    """Counted are persons, not looks; each asker has an hour of their own; the house itself is not counted."""
    settings.IDENTITY_PERSONS_PER_HOUR = 2
    ben, cleo = (person_for(1, "EAST", name, {}, STUDY) for name in ("BS-1", "CT-1"))
    for known in (ada, ada, ada, ben):
        reidentify.identity_of(MAY, known.pseudonym, 1, "treatment")
    with pytest.raises(NotAllowed, match="2 persons within an hour"):
        reidentify.identity_of(MAY, cleo.pseudonym, 1, "treatment")
    assert marks()[-1][:2] == (actions.IDENTITY_REFUSED, "officer")
    other = Principal("colleague", lambda permission: True)
    ours = Principal("officer", lambda permission: True, unlimited=True)
    for who in (other, ours):
        assert reidentify.identity_of(who, cleo.pseudonym, 1, "treatment").patient_id == "CT-1"
    unguard()
    Entry.objects.update(at=timezone.now() - timedelta(hours=1, minutes=1))
    assert reidentify.identity_of(MAY, cleo.pseudonym, 1, "treatment").patient_id == "CT-1"


def test_promise_9_where_no_mark_can_be_left_nothing_is_shown(ada: Known) -> None:
    reidentify.identity_of(MAY, ada.pseudonym, 1, "treatment")
    Head.objects.update(mac="0" * 64)
    with pytest.raises(ChainBroken):
        reidentify.identity_of(MAY, ada.pseudonym, 1, "treatment")


def test_the_way_back_of_uids_and_instances(ada: Known) -> None:
    assert reidentify.original_uid(MAY, map_uid(ada.uid_key, STUDY), 1, "treatment") == STUDY
    opened = reidentify.restore_instance(MAY, map_uid(ada.uid_key, "1.2.3.4.5"), 1, "treatment")
    assert opened.plain == b"what was taken"
    assert opened.known == ada
    assert [mark[0] for mark in marks()] == [actions.UID_VIEWED, actions.INSTANCE_RESTORED]


def test_whoever_holds_the_original_may_ask_for_the_pseudonym(ada: Known) -> None:
    assert reidentify.pseudonym_of(MAY, 1, issuer="EAST", patient_id=ID, purpose="call") == ada.pseudonym
    assert reidentify.pseudonymous_uid(MAY, 1, STUDY, "call") == map_uid(ada.uid_key, STUDY)
    assert ID not in str(marks())
    assert STUDY not in str(marks())


def test_what_is_unknown_is_said_and_marked(ada: Known) -> None:
    with pytest.raises(Unknown):
        reidentify.pseudonym_of(MAY, 1, issuer="WEST", patient_id=ID, purpose="call")
    with pytest.raises(Unknown):
        reidentify.pseudonymous_uid(MAY, 1, "1.9", "call")
    with pytest.raises(Unknown):
        reidentify.identity_of(MAY, ada.pseudonym, 2, "call")
    with pytest.raises(NoSeal):
        reidentify.restore_instances(MAY, ["2.25.1"], 1, "call")
    assert [mark[2] for mark in marks()] == ["nobody", "nothing"]


def test_promise_8_reprs_show_no_identity(ada: Known) -> None:
    seen = reidentify.identity_of(MAY, ada.pseudonym, 1, "treatment")
    opened = reidentify.restore_instance(MAY, map_uid(ada.uid_key, "1.2.3.4.5"), 1, "treatment")
    shown = repr([ada, seen, opened, MAY])
    for secret in (NAME, ID, STUDY, "taken", ada.data_key.decode(), repr(ada.uid_key)):
        assert secret not in shown


def test_promise_8_no_table_of_the_vault_or_audit_holds_an_original_value(ada: Known) -> None:
    reidentify.identity_of(MAY, ada.pseudonym, 1, "treatment")
    for table in (
        "vault_person",
        "vault_seal",
        "vault_uidpair",
        "vault_projectkey",
        "audit_entry",
        "audit_head",
    ):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table}")
            dump = b"|".join(_bytes(value) for row in cursor.fetchall() for value in row)
        assert dump
        for secret in (NAME, "Example", ID, STUDY + ".5", "what was taken"):
            assert secret.encode() not in dump


def _bytes(value: object) -> bytes:
    return bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
