"""Whose address counts: what a stranger writes into a header is believed only from a web server that the site named."""

from ipaddress import ip_network

import pytest

from proxy.callers import Caller, caller_of

TRUSTED = [ip_network("10.0.0.0/24"), ip_network("fd00::/64")]
SAID, PROTO = "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO"


@pytest.mark.parametrize(
    ("meta", "address", "is_private"),
    [
        ({}, "", False),
        ({"REMOTE_ADDR": ""}, "", False),
        ({"REMOTE_ADDR": "nonsense"}, "", False),
        ({"REMOTE_ADDR": "127.0.0.1"}, "127.0.0.1", True),
        ({"REMOTE_ADDR": "::1"}, "::1", True),
        ({"REMOTE_ADDR": "::ffff:192.0.2.1"}, "192.0.2.1", False),
        ({"REMOTE_ADDR": "192.0.2.1"}, "192.0.2.1", False),
        ({"REMOTE_ADDR": "192.0.2.1", SAID: "127.0.0.1", PROTO: "https"}, "192.0.2.1", False),
        ({"REMOTE_ADDR": "127.0.0.1", SAID: "192.0.2.1"}, "127.0.0.1", False),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=192.0.2.1"}, "127.0.0.1", False),
        ({"REMOTE_ADDR": "10.0.0.5", SAID: "192.0.2.1"}, "192.0.2.1", False),
        ({"REMOTE_ADDR": "10.0.0.5", SAID: "192.0.2.1", PROTO: "HTTPS"}, "192.0.2.1", True),
        ({"REMOTE_ADDR": "10.0.0.5", SAID: "192.0.2.1", PROTO: "http"}, "192.0.2.1", False),
        ({"REMOTE_ADDR": "10.0.0.5", SAID: "1.2.3.4, 192.0.2.1, 10.0.0.6"}, "192.0.2.1", False),
        ({"REMOTE_ADDR": "10.0.0.5", SAID: "10.0.0.7, 10.0.0.6"}, "10.0.0.5", False),
        ({"REMOTE_ADDR": "10.0.0.5", SAID: "Example^Ada"}, "10.0.0.5", False),
        ({"REMOTE_ADDR": "fd00::5", SAID: "2001:db8::9", PROTO: "https"}, "2001:db8::9", True),
    ],
)
def test_who_calls(meta: dict[str, str], address: str, is_private: bool) -> None:
    assert caller_of(meta, TRUSTED, False) == Caller(address, is_private)


def test_fly_says_the_address_of_the_app_last() -> None:
    """docs/service.md: as long as that is not named, all callers are one."""
    meta = {"REMOTE_ADDR": "172.19.0.1", SAID: "2.2.2.2, 192.0.2.1, 2001:db8::f17", PROTO: "https"}
    fly = [ip_network("172.16.0.0/12"), ip_network("fdaa::/16")]
    assert caller_of(meta, fly, False) == Caller("2001:db8::f17", True)
    assert caller_of(meta, [*fly, ip_network("2001:db8::f17")], False) == Caller("192.0.2.1", True)


def test_a_line_that_is_closed_itself_needs_no_header() -> None:
    assert caller_of({"REMOTE_ADDR": "192.0.2.1"}, [], True).is_private


def test_a_machine_with_many_addresses_is_one_caller() -> None:
    assert Caller("2001:db8::1", True).neighbourhood == Caller("2001:db8::ffff", True).neighbourhood
    assert Caller("2001:db8:0:1::1", True).neighbourhood != Caller("2001:db8::1", True).neighbourhood
    assert Caller("192.0.2.1", True).neighbourhood == "192.0.2.1"
    assert Caller("", False).neighbourhood == ""
