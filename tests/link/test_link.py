"""`manage.py link` as a real process against a real server that cuts, repeats, reorders and talks nonsense."""

from collections.abc import Iterator

import pytest

from tests.backend.platform import CONFIGURATION, KEY, Answer, Platform, open_platform, until
from tests.backend.said import PACS, WARD, configuration
from tests.house import House

pytestmark = pytest.mark.journey
CHANGED = {"event_type": "proxy.config_changed"}


@pytest.fixture
def platform(house: House) -> Iterator[Platform]:
    with open_platform(configuration(PACS | {"ip_address": "127.0.0.1", "port": 1})) as one:
        house.env.update(ITH_URL=one.url, ITH_TOKEN=KEY, PROXY_HOST_IP="192.0.2.7", PROXY_VERSION="9.9.9")
        yield one


def configurations(platform: Platform) -> int:
    return platform.asked.count(CONFIGURATION)


def log_of(house: House) -> str:
    return (house.data / "logs" / "link.log").read_text()


def test_it_registers_tells_health_and_survives_whatever_is_said(house: House, platform: Platform) -> None:
    link = house.start("link")
    until(lambda: platform.of_kind("health_update"), 120)
    registration = platform.of_kind("config_update")[0]
    assert (registration["ip_address"], registration["proxy_version"]) == ("192.0.2.7", "9.9.9")
    assert registration["port"] == house.dicom_port
    health = platform.of_kind("health_update")[-1]
    assert health["proxy_status"] == "offline"
    until(
        lambda: platform.of_kind("health_update")[-1]["nodes"] == [{"node_id": "n1", "is_reachable": False}]
    )

    before = configurations(platform)
    platform.say(
        "{half", b"\x00\xff", "[" * 50_000, {"type": "Exampleova"}, {"type": "ping"}, CHANGED, CHANGED
    )
    until(lambda: configurations(platform) > before)
    until(lambda: platform.of_kind("pong"))

    for half in (False, True):
        lines = len(platform.keys)
        platform.cut(half_a_frame=half)
        until(lambda: len(platform.keys) > lines and len(platform.lines) == 1)  # noqa: B023
    assert set(platform.keys) == {"header"}
    platform.say("x" * (1 << 21))  # longer than any message may be: that line ends, and another begins
    lines = len(platform.keys)
    until(lambda: len(platform.keys) > lines and platform.lines)

    platform.configuration = configuration(WARD)
    platform.say({"payload": {"event_type": "proxy.nodes_changed"}})
    until(lambda: "node backend:WARD created" in log_of(house))
    assert link.poll() is None
    link.terminate()
    assert link.wait(100) == 0
    said = log_of(house)
    assert KEY not in said and "Exampleova" not in said and "Traceback" not in said
    assert len(platform.of_kind("config_update")) == 1


def test_a_registration_that_nobody_acknowledges_is_sent_again(house: House, platform: Platform) -> None:
    platform.responds = False
    house.start("link")
    until(lambda: platform.of_kind("config_update"), 120)
    platform.cut()
    until(lambda: len(platform.of_kind("config_update")) == 2, 120)


def test_the_key_goes_nowhere_else_and_into_the_query_only_if_told(house: House, platform: Platform) -> None:
    platform.refuses_with = 302
    link = house.start("link")
    until(lambda: len(platform.keys) >= 2, 120)
    assert "sends us to another address" in log_of(house) and set(platform.keys) == {"header"}
    link.terminate()
    link.wait(100)
    platform.refuses_with, platform.key_in_query = 0, True
    platform.keys.clear()
    house.start("link", ITH_WS_KEY_IN_QUERY="True")
    until(lambda: platform.lines, 120)
    assert set(platform.keys) == {"query"}
    assert KEY not in log_of(house)


def test_inactive_closes_the_listener_and_active_opens_it(house: House, platform: Platform) -> None:
    """The event closes at once, even while the configuration cannot be had; only the configuration opens."""
    house.start("serve", "--only", "listen", "link")
    until(lambda: echoes(house), 120)
    until(lambda: platform.lines, 120)
    platform.answers[CONFIGURATION] = Answer(500)
    platform.say({"event_type": "proxy.status_changed", "payload": {"status": "inactive"}})
    until(lambda: not echoes(house))
    platform.say({"event_type": "proxy.status_changed", "payload": {"status": "active"}})
    before = configurations(platform)
    platform.say({"event_type": "proxy.status_changed", "payload": {"status": "active"}})
    until(lambda: configurations(platform) > before)
    assert not echoes(house)
    platform.answers.clear()
    platform.say({"event_type": "proxy.status_changed", "payload": {"status": "active"}})
    until(lambda: echoes(house), 120)
    until(lambda: platform.of_kind("health_update")[-1]["proxy_status"] == "online", 120)


def echoes(house: House) -> bool:
    from proxy.network.scu import Peer, echo

    return echo(Peer("DICOMRCV", "127.0.0.1", house.dicom_port, "DOCTOR", connect_timeout=5.0)).ok


def test_doctor_says_how_we_stand(house: House, platform: Platform) -> None:
    house.command("export_site")  # keys, tables and a first site
    said = house.command("doctor").stdout
    assert "it answers and accepts our key" in said and "never given us a configuration" in said
    platform.configuration = configuration(PACS | {"port": 70_000})
    house.start("link")
    until(lambda: platform.lines and platform.of_kind("health_update"), 120)
    said = house.command("doctor").stdout
    assert "refused nodes[0].port" in said and "WebSocket stands" in said
    assert "does not accept our key" in house.command("doctor", ITH_TOKEN="other").stdout
    assert "ITH_TOKEN is not" in house.command("doctor", ITH_TOKEN="").stdout


def test_without_a_backend_there_is_no_link(house: House) -> None:
    failed = house.command("link", ITH_URL="")
    assert failed.returncode == 1 and "set ITH_URL and ITH_TOKEN" in failed.stderr
