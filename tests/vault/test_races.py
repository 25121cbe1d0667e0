"""What two processes do at the same moment ends as if they had taken turns."""

import time

import pytest
from django.db import transaction

from proxy.audit.verify import verify
from proxy.vault.forget import forget
from proxy.vault.models import Person, ProjectKey, Seal
from proxy.vault.pseudonyms import Known, forget_cache, person_for
from proxy.vault.reidentify import Principal
from proxy.vault.rotate import drop_old_master_keys, rotate_master_keys
from proxy.vault.seals import Forgotten, keep, open_seal, seal_row
from tests.vault.crowd import at_once

pytestmark = pytest.mark.django_db(transaction=True)
PROCESSES, PERSONS = 4, 25
MAY = Principal("officer", lambda permission: True)


def meet(who: int = 0) -> Known:
    return person_for(1, "EAST", f"AE-{who}", {"name": "Example^Ada"}, "1.2")


def meet_them_all(number: int) -> list[Known]:
    forget_cache()
    return [meet(who) for who in range(PERSONS)]


def test_promise_5_two_processes_that_meet_a_new_person_at_once_get_one_row() -> None:
    first, *others = at_once(PROCESSES, meet_them_all)
    assert all(other == first for other in others)
    assert Person.objects.count() == PERSONS
    assert ProjectKey.objects.count() == 1


def seal_or_forget(number: int) -> int:
    return forget_often() if number == 0 else seal_often(number)


def forget_often() -> int:
    """As long as the others are at it, and a little longer."""
    done = 0
    while Seal.objects.count() < 3 * 40:
        if person := Person.objects.filter(forgotten_at=None).first():
            forget(MAY, person.pseudonym, 1, "request")
            done += 1
        time.sleep(0.01)
    return done


def seal_often(number: int) -> int:
    tries = 0
    for image in range(40):
        kept = False
        while not kept:
            tries += 1
            kept = _keeps(f"2.25.{number}.{image}")
    return tries


def _keeps(uid: str) -> bool:
    try:
        keep([seal_row(meet(), 1, uid, uid.encode())])
    except Forgotten:
        return False
    return True


def test_promise_6_no_image_is_sealed_for_a_person_who_is_being_forgotten() -> None:
    assert at_once(PROCESSES, seal_or_forget)[0] > 0
    assert Seal.objects.count() == 3 * 40
    for seal in Seal.objects.select_related("person"):
        if seal.person.forgotten_at is None:
            assert open_seal(1, seal.sop_uid) == seal.sop_uid.encode()
        else:
            assert (seal.token, seal.path) == (None, "")
    assert verify().ok


def rotate_or_meet(number: int) -> list[Known]:
    if number:
        return meet_them_all(number)
    for _ in range(3):
        rotate_master_keys("officer")
    return []


def test_promise_5_persons_met_while_keys_rotate_stay_who_they_are() -> None:
    _, first, *others = at_once(PROCESSES, rotate_or_meet)
    assert all(other == first for other in others)
    drop_old_master_keys("officer")
    assert meet_them_all(0) == first


def test_promise_5_nobody_is_remembered_from_a_transaction_that_was_rolled_back() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        meet()
        raise RuntimeError
    assert Person.objects.count() == 0
    again = meet()
    assert Person.objects.get().pk == again.person_id
    forget_cache()
    assert meet() == again
