"""Under which address we are seen (P35): setting, container gateway, interface, host name."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.link import whereabouts
from proxy.link.whereabouts import Facts, choose, gateway, gather, towards

ALL = Facts("192.0.2.1", True, "172.17.0.1", "10.0.0.7", "gateway-1")


def test_the_order_in_which_facts_count() -> None:
    assert choose(ALL) == "192.0.2.1"
    assert choose(replace(ALL, setting="")) == "172.17.0.1"
    assert choose(replace(ALL, setting="", is_container=False)) == "10.0.0.7"
    assert choose(replace(ALL, setting="", gateway="")) == "10.0.0.7"
    assert choose(Facts(host_name="gateway-1")) == "gateway-1"
    assert choose(Facts()) == "localhost"


TABLE = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
"""


def test_the_gateway_stands_in_the_kernel_s_table() -> None:
    assert gateway(TABLE) == "172.17.0.1"


@pytest.mark.parametrize(
    "table", ["", "x", "head\n\n", "head\neth0\t00000000\tnonsense\t0003", TABLE.replace("0003", "0001")]
)
def test_a_table_without_one(table: str) -> None:
    assert gateway(table) == ""


@pytest.mark.parametrize("mark", ["", ".dockerenv", ".containerenv"])
def test_only_in_a_container_the_gateway_is_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    (tmp_path / "route").write_text(TABLE)
    monkeypatch.setattr(whereabouts, "ROUTES", tmp_path / "route")
    monkeypatch.setattr(whereabouts, "IN_A_CONTAINER", (tmp_path / ".dockerenv", tmp_path / ".containerenv"))
    if mark:
        (tmp_path / mark).touch()
    backend = ("127.0.0.1", 80)
    assert choose(gather("", backend)) == ("172.17.0.1" if mark else "127.0.0.1")
    assert choose(gather("192.0.2.1", backend)) == "192.0.2.1"


def test_where_nothing_leads_to_the_backend_our_name_is_told() -> None:
    facts = gather("", ("no such name.invalid", 80))
    assert choose(replace(facts, is_container=False)) == socket.gethostname()


def test_towards_asks_the_machine() -> None:
    assert towards("127.0.0.1", 80) == "127.0.0.1"
    assert towards("no such name.invalid", 80) == ""
    assert gather("", ("127.0.0.1", 80)).towards_backend == "127.0.0.1"
