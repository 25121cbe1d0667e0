"""Nothing the backend says is believed unchecked, and whatever it says, something may be applied."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.backend.configuration import Configuration
from proxy.backend.reading import MOST_NODES, read
from tests.backend.said import PACS, WARD, configuration

GOOD = read(configuration(PACS, WARD)).configuration


def refused(said: object, last: Configuration | None = None) -> list[str]:
    return [one.field for one in read(said, last).refused]


def test_a_good_configuration_is_believed_whole() -> None:
    reading = read(configuration(PACS, WARD))
    assert not reading.refused and not reading.unknown
    said = reading.configuration
    assert (said.proxy_id, said.workspace_id, said.is_active, said.mode) == ("p1", "w1", True, "public")
    assert [node.place for node in said.nodes] == [("PACS", "10.1.0.5", 104), ("WARD", "10.1.0.6", 11112)]
    assert [(node.reads, node.writes) for node in said.nodes] == [(True, True), (False, True)]


def test_what_is_kept_reads_back_as_itself() -> None:
    assert read(GOOD.as_json()).configuration == GOOD


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "../x"}, {"id": True}, {"workspace_id": "a b"}, {"is_active": "yes"}, {"is_active": 1},
        {"name": "two\nlines"}, {"name": 7}, {"config": []}, {"nodes": {}}, {"nodes": "all"},
    ],
)  # fmt: skip
def test_a_bad_field_is_refused_and_its_last_good_value_stays(wrong: dict[str, Any]) -> None:
    reading = read(configuration(PACS, WARD, **wrong), GOOD)
    assert [one.field for one in reading.refused] == list(wrong)
    assert reading.configuration == GOOD


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("port", 0), ("port", 65536), ("port", "104; rm"), ("port", 1.5), ("port", True), ("ae_title", "A\\B"),
        ("ae_title", " "), ("ae_title", "SEVENTEEN_LETTERS"), ("mode", "open"), ("ip_address", "http://x/"),
        ("enable_phi_anonymization", "false"), ("enable_phi_anonymization", 0), ("api_url", "file:///etc"),
    ],
)  # fmt: skip
def test_a_bad_field_of_config_is_refused(field: str, value: object) -> None:
    said = configuration(PACS, WARD)
    said["config"][field] = value
    reading = read(said, GOOD)
    assert [one.field for one in reading.refused] == [f"config.{field}"]
    assert reading.configuration == GOOD


def test_a_reason_quotes_no_value() -> None:
    reading = read(configuration(PACS | {"port": "Exampleova", "permission": "Exampleova"}, id="Example ova"))
    assert len(reading.refused) == 5 and "xample" not in repr(reading.refused)


@pytest.mark.parametrize("field", ["ae_title", "ip_address", "port"])
def test_half_a_new_place_moves_no_node(field: str) -> None:
    moved = PACS | {"ae_title": "NEW", "ip_address": "10.9.9.9", "port": 999} | {field: "\x00"}
    reading = read(configuration(moved, WARD), GOOD)
    assert reading.configuration == GOOD
    assert [one.field for one in reading.refused] == [f"nodes[0].{field}"]


@pytest.mark.parametrize("field", ["ae_title", "ip_address", "port", "permission"])
def test_a_new_node_with_a_bad_or_missing_field_is_left_out(field: str) -> None:
    for node in (PACS | {field: []}, {name: value for name, value in PACS.items() if name != field}):
        reading = read(configuration(node, WARD))
        assert [one.id for one in reading.configuration.nodes] == ["n2"]
        assert f"nodes[0].{field}" in [one.field for one in reading.refused]


def test_a_field_that_is_null_or_missing_says_nothing() -> None:
    said = configuration(PACS, WARD, name=None, workspace_id=None)
    del said["is_active"], said["config"]["mode"]
    assert read(said, GOOD).configuration == GOOD and not refused(said, GOOD)
    assert read({}, GOOD).configuration == GOOD


def test_two_nodes_that_could_not_be_told_apart_are_one() -> None:
    twin = PACS | {"id": "n9", "name": "Other"}
    assert refused(configuration(PACS, twin, PACS)) == ["nodes[1]", "nodes[2]"]


def test_an_unknown_field_is_told_by_its_name_alone() -> None:
    reading = read(configuration(PACS | {"color\n": "Exampleova"}, secret="Exampleova"))
    assert reading.unknown == ("secret", "nodes.color?")
    assert "Exampleova" not in repr(reading)


def test_a_flood_of_nodes_is_cut() -> None:
    nodes = [PACS | {"id": f"n{number}", "port": number + 1} for number in range(MOST_NODES + 5)]
    reading = read(configuration(*nodes))
    assert len(reading.configuration.nodes) == MOST_NODES and reading.refused[0].field == "nodes"


@pytest.mark.parametrize("said", [None, [], "x", 3, {"nodes": [None, 1, [], {}]}, {"config": {"port": {}}}])
def test_nonsense_leaves_everything_as_it_was_but_what_it_emptied(said: object) -> None:
    reading = read(said, GOOD)
    assert reading.refused
    kept = {"nodes": ()} if isinstance(said, dict) and "nodes" in said else {}
    assert reading.configuration.as_json() == GOOD.as_json() | ({"nodes": []} if kept else {})


LEAF = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["a", 104, "public"])
KEYS = st.sampled_from(["id", "is_active", "port", "ae_title", "ip", "permission", "mode", "workspace_id"])
FLAT = st.dictionaries(KEYS, LEAF, max_size=6)
WHOLE = FLAT.flatmap(
    lambda own: st.fixed_dictionaries(
        {"config": LEAF | FLAT, "nodes": LEAF | st.lists(LEAF | FLAT, max_size=3)}
    ).map(lambda more: own | more)
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(WHOLE)
def test_whatever_it_says_can_be_kept_and_read_again(said: dict[str, Any]) -> None:
    reading = read(said, GOOD)
    again = read(reading.configuration.as_json(), reading.configuration)
    assert again.configuration == reading.configuration and not again.refused
