"""Merges and corrections: what was given out stays valid, what is new follows, and each leaves its mark."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from proxy import sql
from proxy.audit import actions
from proxy.audit.models import Entry
from proxy.deid.identifiers import map_uid
from proxy.vault import corrections, reidentify
from proxy.vault.corrections import Contradiction, correct, merge
from proxy.vault.forget import forget
from proxy.vault.models import Person
from proxy.vault.pseudonyms import Known, find_person, forget_cache, person_for
from proxy.vault.reidentify import NotAllowed, Principal, Unknown
from proxy.vault.seals import Forgotten, keep, keep_pairs, pair_rows, seal_row

pytestmark = pytest.mark.django_db(transaction=True)
MAY = Principal("officer", lambda permission: True)
MAY_NOT = Principal("intern", lambda permission: permission == reidentify.VIEW)
WHY = "ADT A40"


def meet(patient_id: str, study: str = "1.2.3.1") -> Known:
    return person_for(1, "EAST", patient_id, {"name": "Exampleova^Ada"}, study)


def with_study(patient_id: str, study: str) -> Known:
    known = meet(patient_id, study)
    keep_pairs(pair_rows(known, {map_uid(known.uid_key, study): ("study", study)}))
    return known


def merged(absorbed: Known, survivor: Known) -> None:
    merge(MAY, absorbed.pseudonym, survivor.pseudonym, 1, WHY)


class TestMerging:
    def test_promise_5_a_study_keeps_its_pseudonym_and_what_is_new_is_the_survivor_s(self) -> None:
        old, new = with_study("AE-1", "1.2.3.1"), with_study("AE-2", "1.2.3.2")
        merged(old, new)
        for patient_id in ("AE-1", "AE-2"):
            assert meet(patient_id, "1.2.3.1") == old_of(old)
            assert meet(patient_id, "1.2.3.2").pseudonym == new.pseudonym
            assert meet(patient_id, "1.2.3.9").pseudonym == new.pseudonym
        assert meet("AE-1", "1.2.3.1").shift_days == old.shift_days

    def test_it_counts_at_once_also_for_whom_a_process_remembers(self) -> None:
        old, new = meet("AE-1"), meet("AE-2")
        assert meet("AE-1") == old
        merged(old, new)
        assert meet("AE-1", "1.2.3.9").pseudonym == new.pseudonym

    def test_issued_pseudonyms_still_say_who_it_is(self) -> None:
        old, new = meet("AE-1"), meet("AE-2")
        merged(old, new)
        assert reidentify.identity_of(MAY, old.pseudonym, 1, WHY).patient_id == "AE-1"
        assert reidentify.identity_of(MAY, new.pseudonym, 1, WHY).patient_id == "AE-2"

    def test_families_grow_together(self) -> None:
        first, second, third, fourth = (with_study(f"AE-{n}", f"1.2.3.{n}") for n in (1, 2, 3, 4))
        merged(first, second)
        merged(third, fourth)
        merged(second, fourth)
        for number in (1, 2, 3, 4):
            assert meet(f"AE-{number}", "1.2.3.9").pseudonym == fourth.pseudonym
        assert meet("AE-4", "1.2.3.1").pseudonym == first.pseudonym

    def test_it_leaves_its_mark_without_an_identity(self) -> None:
        old, new = meet("AE-1"), meet("AE-2")
        merged(old, new)
        mark = Entry.objects.get(action=actions.PERSON_MERGED)
        assert (mark.actor, mark.subject, mark.purpose) == ("officer", old.pseudonym, WHY)
        assert mark.detail == {"project": 1, "into": new.pseudonym, "members": 2}

    def test_promise_9_without_the_permission_or_a_purpose_nothing_happens_but_a_mark(self) -> None:
        old, new = meet("AE-1"), meet("AE-2")
        for who, why in ((MAY_NOT, WHY), (MAY, " ")):
            with pytest.raises(NotAllowed):
                merge(who, old.pseudonym, new.pseudonym, 1, why)
        assert not Person.objects.exclude(family=None).exists()
        assert Entry.objects.filter(action=actions.IDENTITY_REFUSED).count() == 2

    def test_what_cannot_be(self) -> None:
        old, new = meet("AE-1"), meet("AE-2")
        nameless, gone = meet("UNKNOWN"), meet("AE-3")
        forget(MAY, gone.pseudonym, 1, WHY)
        cases = [
            (old.pseudonym, old.pseudonym, Contradiction),
            (old.pseudonym, "ANON-NOBODY", Unknown),
            (old.pseudonym, nameless.pseudonym, Contradiction),
            (old.pseudonym, gone.pseudonym, Forgotten),
        ]
        for one, into, error in cases:
            with pytest.raises(error):
                merge(MAY, one, into, 1, WHY)
        merged(old, new)
        with pytest.raises(Contradiction, match="merged before"):
            merged(new, old)

    def test_who_is_forgotten_is_forgotten_with_everybody_they_are(self) -> None:
        old, new = meet("AE-1"), meet("AE-2")
        keep([seal_row(old, 1, "2.25.1", b"one"), seal_row(new, 1, "2.25.2", b"two")])
        merged(old, new)
        assert forget(MAY, new.pseudonym, 1, WHY).seals == 2
        for one in (old, new):
            with pytest.raises(Forgotten):
                reidentify.identity_of(MAY, one.pseudonym, 1, WHY)
        assert meet("AE-1").pseudonym not in (old.pseudonym, new.pseudonym)


class TestCorrecting:
    def test_promise_5_the_pseudonym_stays_and_the_right_id_leads_to_it(self) -> None:
        ada = with_study("AE-1", "1.2.3.1")
        correct(MAY, ada.pseudonym, 1, issuer="EAST", patient_id="AE-7", purpose=WHY)
        assert meet("AE-7", "1.2.3.9").pseudonym == ada.pseudonym
        assert reidentify.identity_of(MAY, ada.pseudonym, 1, WHY).patient_id == "AE-7"
        mark = Entry.objects.get(action=actions.PERSON_CORRECTED)
        assert (mark.subject, mark.detail) == (ada.pseudonym, {"project": 1})

    def test_whoever_bears_the_wrong_id_is_somebody_else(self) -> None:
        ada = meet("AE-1")
        correct(MAY, ada.pseudonym, 1, issuer="EAST", patient_id="AE-7", purpose=WHY)
        other = meet("AE-1")
        assert other.pseudonym != ada.pseudonym
        assert map_uid(other.uid_key, "1.2.3") != map_uid(ada.uid_key, "1.2.3")
        assert meet("AE-1") == other

    def test_promise_5_a_study_keeps_its_pseudonym_also_under_the_wrong_id(self) -> None:
        ada = with_study("AE-1", "1.2.3.1")
        correct(MAY, ada.pseudonym, 1, issuer="EAST", patient_id="AE-7", purpose=WHY)
        for _ in range(2):
            assert meet("AE-1", "1.2.3.1").subject == ada.subject
            assert meet("AE-1", "1.2.3.2").pseudonym != ada.pseudonym

    def test_who_never_had_another_id_is_one_question(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ada = meet("AE-1")
        asked, ask = list[str](), sql.ask

        def counted(statement: str, *values: object) -> list[sql.Row]:
            asked.append(statement)
            return ask(statement, *values)

        monkeypatch.setattr(sql, "ask", counted)
        with CaptureQueriesContext(connection) as others:
            assert meet("AE-1") == ada
            forget_cache()
            assert meet("AE-1", "1.2.3.9") == ada
        assert sum("vault_person" in one for one in asked) == 2, "once each"
        persons = ("vault_person", "vault_formerid", "vault_uidpair")
        assert not [one for one in others if any(table in one["sql"] for table in persons)]

    def test_an_id_that_is_or_was_somebody_s_is_not_taken(self) -> None:
        ada, ben = meet("AE-1"), meet("AE-2")
        for taken in ("AE-2", "UNKNOWN", ""):
            with pytest.raises(Contradiction):
                correct(MAY, ada.pseudonym, 1, issuer="EAST", patient_id=taken, purpose=WHY)
        forget(MAY, ben.pseudonym, 1, WHY)
        with pytest.raises(Contradiction, match="somebody's before"):
            correct(MAY, ada.pseudonym, 1, issuer="EAST", patient_id="AE-2", purpose=WHY)
        assert find_person(1, "EAST", "AE-1") is not None

    def test_somebody_new_of_that_id_who_comes_at_the_same_moment_is_a_contradiction_too(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They are met after the look whether anybody bears the id."""
        ada = meet("AE-1")
        monkeypatch.setattr(corrections, "_is_nobodys", lambda *_: meet("AE-7"))
        with pytest.raises(Contradiction, match="merge the two"):
            correct(MAY, ada.pseudonym, 1, issuer="EAST", patient_id="AE-7", purpose=WHY)
        found = find_person(1, "EAST", "AE-1")
        assert found is not None and found.pseudonym == ada.pseudonym

    def test_promise_9_without_the_permission_nothing_happens(self) -> None:
        ada = meet("AE-1")
        with pytest.raises(NotAllowed):
            correct(MAY_NOT, ada.pseudonym, 1, issuer="EAST", patient_id="AE-7", purpose=WHY)
        assert find_person(1, "EAST", "AE-7") is None


def old_of(known: Known) -> Known:
    """The same person, now of a family."""
    found = find_person(1, "EAST", "AE-1")
    assert found is not None
    assert found.pseudonym == known.pseudonym
    return found
