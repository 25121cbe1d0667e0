"""One port, several processes: one limit, one place to stop, and nobody's end is everybody's."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE

from tests import cast
from tests.house import House
from tests.management.test_serve import is_open, processes, until
from tests.tools import debian
from tests.warm import Process

pytestmark = [pytest.mark.journey, pytest.mark.peers]

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"


def call(house: House) -> Any:
    ae = AE(ae_title=cast.CT_EAST)
    ae.add_requested_context(VERIFICATION)
    ae.add_requested_context(CT)
    return ae.associate("127.0.0.1", house.dicom_port, ae_title="DICOMRCV")


@contextmanager
def calls(house: House, count: int) -> Iterator[list[Any]]:
    associations = [call(house) for _ in range(count)]
    try:
        yield associations
    finally:
        for association in associations:
            association.abort()


def echoes(association: Any) -> bool:
    return bool(association.is_established and association.send_c_echo().get("Status") == 0)


def family(house: House, listen: Process) -> list[int]:
    """The processes that serve: all that listen but the one that accepts."""
    return [pid for pid in processes(house, "listen") if pid != listen.pid]


def ready(house: House, count: int, **settings: str) -> Process:
    listen = house.start("listen", DICOM_WORKERS=str(count), **settings)
    until(lambda: (call_ends(house) and len(family(house, listen)) == count) or listen.poll() is not None)
    assert listen.poll() is None
    return listen


def call_ends(house: House) -> bool:
    if not is_open(house.dicom_port):
        return False
    association = call(house)
    answered = echoes(association)
    association.release()
    return answered


def test_promise_11_the_limit_holds_over_all_processes(house: House) -> None:
    ready(house, 2, DICOM_MAX_ASSOCIATIONS="3")
    with calls(house, 3) as three:
        assert all(echoes(one) for one in three)
        late = call(house)
        answer = late.acceptor.primitive
        assert (answer.result, answer.result_source, answer.diagnostic) == (2, 3, 2)
        three[0].release()
        until(lambda: call_ends(house))


def test_the_death_of_one_process_ends_only_what_it_served(house: House) -> None:
    listen = ready(house, 2, DICOM_MAX_ASSOCIATIONS="4")
    until(lambda: len(logs(house, "serving")) == 2)
    time.sleep(2.0)  # until both said that they are ready
    with calls(house, 4) as four:
        os.kill(family(house, listen)[0], signal.SIGKILL)
        until(lambda: sum(one.is_established for one in four) == 2)
        time.sleep(0.5)
        alive = [one for one in four if one.is_established]
        assert len(alive) == 2 and all(echoes(one) for one in alive)
        with calls(house, 2) as more:  # the seats of the dead are free
            assert all(echoes(one) for one in more)
        until(lambda: len(family(house, listen)) == 2)
        assert all(echoes(one) for one in alive)


def logs(house: House, words: str) -> list[str]:
    files = (house.data / "logs").glob("listen*.log")
    return [line for file in files for line in file.read_text().splitlines() if words in line]


def test_told_to_stop_it_lets_what_runs_finish(house: House) -> None:
    listen = ready(house, 2)
    with calls(house, 2) as both:
        listen.send_signal(signal.SIGTERM)
        until(lambda: not is_open(house.dicom_port))
        assert all(echoes(one) for one in both)
        for one in both:
            one.release()
        assert listen.wait(timeout=150) == 0
    assert not processes(house, "listen")


def test_told_to_stop_it_aborts_what_does_not_end(house: House) -> None:
    house.start("listen", "--grace", "1", DICOM_WORKERS="2")
    listen = house.running[-1]
    until(lambda: call_ends(house))
    with calls(house, 1) as [stubborn]:
        listen.send_signal(signal.SIGTERM)
        until(lambda: stubborn.is_aborted)
        assert listen.wait(timeout=150) == 0


def test_who_serves_ends_with_who_accepts(house: House) -> None:
    listen = ready(house, 2)
    listen.kill()
    listen.wait()
    until(lambda: not processes(house, "listen"))


def test_settings_change_without_dropping_an_association(house: House, tmp_path: Path) -> None:
    env = tmp_path / "site.env"
    env.write_text("DICOM_MAX_ASSOCIATIONS=1\n")
    listen = ready(house, 2, ENV_FILE=str(env))
    old = set(family(house, listen))
    with calls(house, 1) as [standing]:
        assert call(house).is_rejected
        env.write_text("DICOM_MAX_ASSOCIATIONS=2\n")
        listen.send_signal(signal.SIGHUP)
        until(lambda: call_ends(house))
        assert echoes(standing)
        standing.release()
        until(lambda: set(family(house, listen)).isdisjoint(old))
        assert len(family(house, listen)) == 2


def test_settings_that_cannot_be_used_leave_the_old_ones_in_force(house: House, tmp_path: Path) -> None:
    env = tmp_path / "site.env"
    env.write_text("")
    listen = ready(house, 2, ENV_FILE=str(env))
    old = set(family(house, listen))
    env.write_text("DICOM_MAX_ASSOCIATIONS=many\n")
    listen.send_signal(signal.SIGHUP)
    until(lambda: logs(house, "cannot be used"))
    assert set(family(house, listen)) == old
    assert call_ends(house)


def test_images_of_one_study_that_arrive_in_several_processes_at_once_are_all_there(
    house: House, tmp_path: Path
) -> None:
    ready(house, 2)
    senders = []
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        for instance in range(12):  # every second image comes twice
            cast.save(cast.ct(cast.StudyPlan(), instance=1 + instance + 6 * number), folder)
        senders.append(
            subprocess.Popen(
                [
                    debian("storescu"),
                    "-aec",
                    "DICOMRCV",
                    "+sd",
                    "127.0.0.1",
                    str(house.dicom_port),
                    str(folder),
                ],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
    assert [sender.wait(timeout=150) for sender in senders] == [0] * 4
    assert len(list((house.data / "studies").rglob("*.dcm"))) == 30
    assert not list((house.data / "studies").rglob(".*"))


def test_who_was_refused_stands_in_the_doctors_report(house: House) -> None:
    listen = house.start("listen", DICOM_WORKERS="2", DICOM_MODE="private")
    until(lambda: is_open(house.dicom_port))
    for _ in range(3):
        until(lambda: call(house).is_rejected)  # pynetdicom takes one in a hundred rejections for an abort
    listen.terminate()  # the last counts are written at the end
    assert listen.wait(timeout=150) == 0
    said = house.command("doctor", DICOM_MODE="private").stdout
    assert "CT_EAST at 127.0.0.1 was refused" in said and "add a node with AE title CT_EAST" in said
    assert len(logs(house, "is refused")) <= 2  # once a minute in each process


def has_ipv6() -> bool:
    with suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


NODE = """
projects: [{name: default}]
nodes: [{name: CT, ae_title: CT_EAST, host: 127.0.0.1, port: 104, may: [store], networks: [%s]}]
routes: [{called_ae: DICOMRCV, project: default}]
"""


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize(("host", "network"), [("127.0.0.1", "127.0.0.1/32"), ("::1", "::1/128")])
def test_two_colons_listen_on_both_families_and_each_caller_has_its_own_address(
    house: House, host: str, network: str
) -> None:
    (house.folder / "site.yaml").write_text(NODE % f"'{network}'")
    assert house.command("configure", str(house.folder / "site.yaml")).returncode == 0
    house.start("listen", DICOM_WORKERS="1", DICOM_MODE="private", DICOM_BIND_ADDRESS="::")
    until(lambda: is_open(house.dicom_port))
    for address in ("127.0.0.1", "::1"):
        ae = AE(ae_title=cast.CT_EAST)
        ae.add_requested_context(VERIFICATION)
        association = ae.associate(address, house.dicom_port, ae_title="DICOMRCV")
        assert echoes(association) == (address == host), address
        association.abort()
