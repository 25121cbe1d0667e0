"""Homecomings find their node, wait while it is away, and look at nobody's identity before somebody is there."""

import logging
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from proxy.audit.models import Entry
from proxy.books.balance import balance
from proxy.deliveries import probing
from proxy.management.backups import places
from proxy.retrieval.home import carrying, deciding, restoring
from proxy.retrieval.home.carrying import carry_to, due
from proxy.retrieval.models import Homecoming
from proxy.routing.models import Destination, Node
from proxy.studies.models import Instance
from proxy.vault import forget
from proxy.vault.models import Seal
from proxy.vault.reidentify import Principal
from tests import cast, results
from tests.cluster import free_port
from tests.deliveries.agents.peers import answering
from tests.retrieval.home.scene import PACS, Hospital

pytestmark = pytest.mark.django_db(transaction=True)

MAY = Principal("ada", lambda _: True)
LOOKS = Entry.objects.filter(action="identity.result-brought-home")
OUT_OF_RESOURCES, CANNOT_UNDERSTAND = 0xA700, 0xC000


def on_its_way(port: int, kind: str = "SEG") -> Homecoming:
    hospital = Hospital.build(port=port)
    clean = hospital.outside(cast.ct(), cast.ct(instance=2))
    assert hospital.comes_home(results.made(kind, clean)).status == 0
    return Homecoming.objects.get()


def carried(row: Homecoming) -> Homecoming:
    for destination_id in due(timezone.now()):
        carry_to(destination_id, timezone.now(), "me")
    row.refresh_from_db()
    return row


def test_it_is_delivered_once() -> None:
    with answering(lambda uid: 0) as (port, heard):
        row = carried(on_its_way(port))
        assert (row.state, row.reason, row.lease_until) == ("delivered", "", None)
        carried(row)
        assert heard == [row.result.uid]
    assert LOOKS.get().purpose == "result of AI"
    assert LOOKS.get().subject == row.result.patient


def test_promise_9_a_node_that_is_away_costs_no_look() -> None:
    row = carried(on_its_way(free_port()))
    assert (row.state, row.tries) == ("waiting", 1)
    assert row.reason
    assert row.next_try_at > timezone.now()
    assert not LOOKS.exists()
    assert due(timezone.now()) == []


def test_a_node_that_is_busy_is_asked_again_later_and_one_that_refuses_waits_for_a_person() -> None:
    answers = iter([OUT_OF_RESOURCES, CANNOT_UNDERSTAND, 0])
    with answering(lambda uid: next(answers)) as (port, heard):
        row = carried(on_its_way(port))
        assert (row.state, row.tries) == ("waiting", 1)
        assert deciding.retry(row, "ada", timezone.now())
        assert carried(row).state == "refused"
        assert "0xC000" in row.reason
        assert carried(row).state == "refused"
        assert deciding.retry(row, "ada", timezone.now())
        assert carried(row).state == "delivered"
        assert len(heard) == 3


def test_a_person_gives_it_up() -> None:
    row = on_its_way(free_port())
    assert deciding.drop(row, "ada", "not wanted")
    assert carried(row).state == "dropped"
    assert not deciding.drop(row, "ada")
    assert Entry.objects.filter(actor="ada", action="delivery.changed-by-a-person").count() == 1


def test_what_a_dead_process_held_is_taken_up_again() -> None:
    with answering(lambda uid: 0) as (port, _):
        row = on_its_way(port)
        past = timezone.now() - timedelta(seconds=1)
        Homecoming.objects.update(state="claimed", lease_until=past, token="dead")
        assert carried(row).state == "delivered"


def test_a_lease_is_renewed_by_its_holder_alone() -> None:
    row = on_its_way(free_port())
    past = timezone.now() - timedelta(seconds=1)
    Homecoming.objects.update(state="claimed", lease_until=past, token="me")
    carrying.hold(row.destination_id, "somebody else")
    row.refresh_from_db()
    assert row.lease_until == past
    carrying.hold(row.destination_id, "me")
    row.refresh_from_db()
    assert row.lease_until is not None and row.lease_until > timezone.now()


def test_who_lost_the_lease_changes_nothing() -> None:
    row = on_its_way(free_port())
    [mine] = carrying._claimed(row.destination_id, timezone.now(), "me")
    Homecoming.objects.update(token="somebody else's")
    carrying._finish(mine, carrying._refused("too late"))
    row.refresh_from_db()
    assert (row.state, row.reason) == ("claimed", "")


def test_two_workers_never_have_one() -> None:
    row = on_its_way(free_port())
    assert len(list(carrying._claimed(row.destination_id, timezone.now(), "me"))) == 1
    assert list(carrying._claimed(row.destination_id, timezone.now(), "me")) == []


def test_a_paused_destination_gets_nothing() -> None:
    row = on_its_way(free_port())
    Destination.objects.update(paused_at=timezone.now())
    assert carried(row).tries == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"rests_until": timezone.now() + timedelta(days=1)},
        {"failures": 3, "rests_until": None},
        {"windows": [f"{timezone.now() + timedelta(days=3):%a} 00:00-24:00"]},
        {"retired_at": timezone.now()},
    ],
    ids=lambda one: next(iter(one)),
)
def test_a_destination_that_rests_or_is_closed_for_deliveries_is_so_for_results(
    changes: dict[str, object],
) -> None:
    row = on_its_way(free_port())
    Destination.objects.update(**changes)
    assert carried(row).tries == 0
    assert "it is its turn" not in why(row)


def test_what_results_find_out_about_a_destination_rests_it_for_deliveries_too() -> None:
    row = on_its_way(free_port())
    for _ in range(3):
        Homecoming.objects.update(next_try_at=timezone.now())
        row = carried(row)
    home = Destination.objects.get()
    assert (row.tries, home.failures) == (3, 3)
    assert home.rests_until is not None and home.rests_until > timezone.now()
    assert home.trouble == row.reason
    Homecoming.objects.update(next_try_at=timezone.now())
    assert carried(row).tries == 3, "it rests"
    assert not LOOKS.exists()


def test_a_result_that_waited_goes_once_its_destination_was_found_to_answer() -> None:
    with answering(lambda uid: 0) as (port, heard):
        row = on_its_way(port)
        Homecoming.objects.update(next_try_at=timezone.now() + timedelta(hours=1))
        Destination.objects.update(failures=5, rests_until=timezone.now())
        assert carried(row).state == "waiting"
        assert probing.probe_one(timezone.now())
        assert carried(row).state == "delivered"
        home = Destination.objects.get()
        assert (home.failures, home.probed_at, home.trouble) == (0, None, "")
        assert heard == [row.result.uid]


def test_trouble_of_our_own_rests_no_destination(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> bytes:
        raise RuntimeError

    with answering(lambda uid: 0) as (port, _):
        row = on_its_way(port)
        monkeypatch.setattr(restoring, "restored_data", broken)
        assert carried(row).state == "waiting"
        assert Destination.objects.get().failures == 0


def test_a_person_who_pauses_the_destination_stops_what_is_still_to_be_sent() -> None:
    row = on_its_way(free_port())
    claimed = carrying._claimed(row.destination_id, timezone.now(), "me")
    Destination.objects.update(paused_at=timezone.now())
    assert list(claimed) == []


def test_a_grant_that_has_ended_meanwhile_stops_it() -> None:
    with answering(lambda uid: 0) as (port, heard):
        row = on_its_way(port)
        Node.objects.filter(name=PACS).update(grant={"purpose": "treatment", "until": "2020-01-01"})
        assert carried(row).state == "refused"
        assert "grant" in row.reason
        assert heard == []
    assert not LOOKS.exists()


def test_somebody_forgotten_meanwhile_does_not_come_home() -> None:
    with answering(lambda uid: 0) as (port, heard):
        row = on_its_way(port)
        forget.forget(MAY, row.result.patient, row.result.project_id, "asked for")
        assert carried(row).state == "refused"
        assert "forgotten" in row.reason
        assert heard == []


def test_a_reference_without_a_seal_is_not_left_dangling() -> None:
    with answering(lambda uid: 0) as (port, heard):
        row = on_its_way(port)
        Seal.objects.filter(sop_uid=Instance.objects.latest("pk").uid).delete()
        assert carried(row).state == "refused"
        assert row.reason == restoring.NO_SEAL
        assert heard == []


def test_promise_8_a_fault_of_ours_is_logged_without_its_words(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fault(*_: object) -> bytes:
        raise RuntimeError(cast.ADA.name)

    monkeypatch.setattr(restoring, "restored", fault)
    with answering(lambda uid: 0) as (port, heard), caplog.at_level(logging.INFO):
        row = carried(on_its_way(port))
        assert (row.state, heard) == ("waiting", [])
    assert "RuntimeError" in caplog.text
    assert not [needle for needle in cast.ADA.needles if needle in caplog.text + row.reason]


def test_what_a_peer_does_not_take_compressed_goes_plain() -> None:
    """It has its patient either way."""
    with answering(lambda uid: 0) as (port, heard):
        hospital = Hospital.build(port=port)
        result = results.made("SC", hospital.outside(cast.ct()))
        result.compress("1.2.840.10008.1.2.5", generate_instance_uid=False)
        assert hospital.comes_home(result).status == 0
        assert carried(Homecoming.objects.get()).state == "delivered"
        assert heard == [result.SOPInstanceUID]


def test_promise_3_a_backup_that_lacks_a_result_is_not_whole() -> None:
    row = on_its_way(free_port())
    held = {
        f"{name}/{path.relative_to(folder)}" for name, folder in places.roots() for path in folder.rglob("*")
    }
    assert f"results/{row.result.path}" in held
    assert places.missing(held, places.newest()) == 0
    assert places.missing(held - {f"results/{row.result.path}"}, places.newest()) == 1


def books() -> dict[str, int]:
    [line] = [one for one in balance() if one.destination == "home"]
    assert line.difference == 0
    figures = {
        "delivered": line.delivered,
        "excluded": line.excluded,
        "held": line.held,
        "in flight": line.in_flight,
    }
    assert line.received == sum(figures.values())
    return {name: figure for name, figure in figures.items() if figure}


def test_promise_4_results_stand_in_the_books() -> None:
    with answering(lambda uid: 0) as (port, _):
        row = on_its_way(port)
        assert books() == {"in flight": 1}
        carried(row)
        assert books() == {"delivered": 1}
    hospital = Hospital.now()
    strange = results.made("SC", [cast.ct(cast.StudyPlan(cast.BEN, number=9))])
    assert hospital.comes_home(strange).status == 0
    assert books() == {"delivered": 1, "held": 1}
    Homecoming.objects.update(state="dropped")
    assert books() == {"excluded": 1, "held": 1}


def test_promise_4_a_homecoming_that_was_lost_shows_as_a_difference() -> None:
    on_its_way(free_port())
    Homecoming.objects.all().delete()
    assert [line.difference for line in balance() if line.destination == "home"] == [1]


def why(row: Homecoming, *destination: str) -> str:
    out = StringIO()
    call_command("why", row.result.study_uid, *destination, stdout=out)
    return out.getvalue()


def test_why_says_where_the_results_of_a_study_are() -> None:
    with answering(lambda uid: OUT_OF_RESOURCES) as (port, _):
        row = on_its_way(port)
        assert f"Result {row.result.uid} of AI waits for home; it is its turn" in why(row)
        assert "try 1 failed: 0xA700" in why(carried(row))
    Destination.objects.update(paused_at=timezone.now())
    assert "a person paused this destination" in why(row)
    for state, words in (("claimed", "is being sent"), ("refused", "did not go"), ("dropped", "was given up"),
                         ("delivered", "is at home since")):  # fmt: skip
        Homecoming.objects.update(state=state)
        assert words in why(row, "home")
        assert not [needle for needle in cast.ADA.needles if needle in why(row)]
