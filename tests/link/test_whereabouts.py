"""Under which address we are seen (P35): setting, container gateway, interface, host name."""

from dataclasses import replace

import pytest

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


def test_towards_asks_the_machine() -> None:
    assert towards("127.0.0.1", 80) == "127.0.0.1"
    assert towards("no such name.invalid", 80) == ""
    assert gather("", ("127.0.0.1", 80)).towards_backend == "127.0.0.1"
