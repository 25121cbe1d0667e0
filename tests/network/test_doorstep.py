"""Promise 11: connections are counted before anything of them is read, and nobody can take all the room."""

import pytest

from proxy.network.doorstep import FEWEST, SPARE, Doorstep, caller_at


def arrivals(doorstep: Doorstep, address: str, count: int) -> list[int]:
    tickets = [doorstep.arrive(address) for _ in range(count)]
    return [ticket for ticket in tickets if ticket is not None]


@pytest.mark.parametrize(("allowed", "share"), [(1, FEWEST), (50, 50), (200, 200)])
def test_one_address_brings_as_many_as_may_be_open(allowed: int, share: int) -> None:
    assert len(arrivals(Doorstep(allowed), "10.0.0.1", 1000)) == share


def test_a_flood_from_one_address_leaves_room_for_others() -> None:
    doorstep = Doorstep(50)
    arrivals(doorstep, "10.0.0.1", 1000)
    assert len(arrivals(doorstep, "10.0.0.2", 1000)) == SPARE
    assert doorstep.arrive("10.0.0.3") is None


def test_who_has_an_association_makes_room_at_once() -> None:
    doorstep = Doorstep(1)
    for ticket in arrivals(doorstep, "10.0.0.1", FEWEST):
        doorstep.seated(ticket)
    assert doorstep.arrive("10.0.0.1") is not None
    assert doorstep.standing() == FEWEST + 1


def test_who_has_gone_is_forgotten_however_often_it_is_said() -> None:
    doorstep = Doorstep(1)
    tickets = arrivals(doorstep, "10.0.0.1", FEWEST)
    doorstep.seated(tickets[0])
    for ticket in tickets * 2:
        doorstep.gone(ticket)
    assert doorstep.standing() == 0
    assert len(arrivals(doorstep, "10.0.0.1", 1000)) == FEWEST


def test_the_limit_can_change_while_they_stand() -> None:
    doorstep = Doorstep(50)
    arrivals(doorstep, "10.0.0.1", 50)
    doorstep.allow(60)
    assert len(arrivals(doorstep, "10.0.0.1", 1000)) == 10
    doorstep.allow(20)
    assert doorstep.arrive("10.0.0.1") is None


@pytest.mark.parametrize(
    ("shown", "host"),
    [
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("192.0.2.7", "192.0.2.7"),
        ("::1", "::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("2001:db8::ffff:1", "2001:db8::ffff:1"),
    ],
)
def test_a_caller_of_ipv4_is_one_on_a_port_of_both_families_too(shown: str, host: str) -> None:
    assert caller_at((shown, 4242, 0, 0)) == (host, 4242)
