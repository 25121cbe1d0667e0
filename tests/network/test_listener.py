"""The listener against DCMTK: what is let in, what reaches the sink, what is answered."""

from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import ImplicitVRLittleEndian, UltrasoundImageStorage

from proxy.network.door import CALLED_AE_UNKNOWN, CALLING_AE_UNKNOWN, Caller, Rejection, Reply
from proxy.network.part10 import data_set
from tests.network.conftest import Listen
from tests.network.people import Bag, Guest, image, run, wait_for, write

HERE = "127.0.0.1"


def test_an_echo_is_answered_and_heard(listen: Listen) -> None:
    listener, guest = listen()
    assert run("echoscu", "-aet", "CT_EAST", "-aec", "DICOMRCV", HERE, listener.port).returncode == 0
    (caller,) = guest.echoes
    assert (caller.called_ae, caller.calling_ae, caller.address) == ("DICOMRCV", "CT_EAST", HERE)


@pytest.mark.parametrize("option", ["--repeat", "--abort"])
def test_the_door_hears_of_the_end_on_the_associations_own_thread(listen: Listen, option: str) -> None:
    listener, guest = listen()
    words = ["--repeat", "2"] if option == "--repeat" else [option]
    run("echoscu", *words, "-aec", "DICOMRCV", HERE, listener.port)
    wait_for(lambda: bool(guest.farewells))
    (thread,) = guest.farewells
    assert thread.startswith("AcceptorThread")


def test_a_door_that_fails_at_the_end_keeps_nobody_seated(listen: Listen) -> None:
    listener, guest = listen()
    guest.farewells = None  # type: ignore[assignment]
    run("echoscu", "-aec", "DICOMRCV", HERE, listener.port)
    wait_for(lambda: listener.active() == 0)
    assert run("echoscu", "-aec", "DICOMRCV", HERE, listener.port).returncode == 0


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])
def test_a_stored_data_set_reaches_the_sink_byte_for_byte(listen: Listen, inbox: Path, syntax: str) -> None:
    listener, guest = listen()
    dataset = image(rows=512)
    path = write(dataset, inbox, syntax)
    option = "-xi" if syntax == ImplicitVRLittleEndian else "-xe"
    answer = run("storescu", "-aet", "CT_EAST", "-aec", "DICOMRCV", option, HERE, listener.port, path)
    assert answer.returncode == 0, answer.stdout
    (bag,) = guest.bags
    assert bag.data == data_set(path)
    assert bag.ended == "finished"
    assert bag.command.transfer_syntax == syntax
    assert bag.command.sop_instance_uid == dataset.SOPInstanceUID
    assert bag.command.move_originator_ae is None


def test_compressed_and_plain_images_share_an_association(listen: Listen, inbox: Path) -> None:
    listener, guest = listen(accepted=("all",))
    write(image(1), inbox)
    path = write(image(2), inbox)
    rle = inbox / "rle.dcm"
    assert run("dcmcrle", path, rle).returncode == 0
    path.unlink()
    assert run("dcmsend", "-aec", "DICOMRCV", HERE, listener.port, "+sd", inbox).returncode == 0
    syntaxes = {bag.command.transfer_syntax for bag in guest.bags}
    assert syntaxes == {"1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"}


@pytest.mark.parametrize("numbers", [CALLED_AE_UNKNOWN, CALLING_AE_UNKNOWN])
def test_the_door_rejects_with_its_three_numbers(listen: Listen, numbers: tuple[int, int, int]) -> None:
    guest = Guest(rejection=Rejection(*numbers, why="nobody knows this AE title."))
    listener, _ = listen(guest)
    answer = run("echoscu", "-v", "-aec", "ELSEWHERE", HERE, listener.port)
    assert answer.returncode != 0
    assert "Rejected Permanent" in answer.stdout
    assert ("Called AE" if numbers[2] == 7 else "Calling AE") in answer.stdout


def test_a_class_that_is_not_accepted_is_refused_in_its_context(listen: Listen, inbox: Path) -> None:
    listener, guest = listen()
    path = write(image(sop_class=UltrasoundImageStorage), inbox)
    answer = run("storescu", "-v", "-aec", "DICOMRCV", HERE, listener.port, path)
    assert answer.returncode != 0
    assert (
        "No Acceptable Presentation Contexts" in answer.stdout or "No presentation context" in answer.stdout
    )
    assert guest.bags == []


def test_the_sinks_reply_is_the_answer(listen: Listen, inbox: Path) -> None:
    listener, _ = listen(Guest(reply=lambda bag: Reply(0xA700, "Disk is full")))
    answer = run("storescu", "-d", "-aec", "DICOMRCV", HERE, listener.port, write(image(), inbox))
    assert "0xa700" in answer.stdout.lower()
    assert "Disk is full" in answer.stdout


class Broken(Bag):
    def feed(self, view: memoryview) -> None:
        raise ValueError(f"Example^Ada of {self.caller.calling_ae}")


def test_a_broken_sink_costs_one_image_and_tells_no_name(listen: Listen, inbox: Path, caplog: Any) -> None:
    sinks = iter([Broken, Bag])
    guest = Guest(make=lambda *parts: next(sinks)(*parts))  # noqa: PLW0108 - one sink after the other
    listener, _ = listen(guest)
    paths = [write(image(number), inbox) for number in (1, 2)]
    answer = run("storescu", "-d", "--no-halt", "-aec", "DICOMRCV", HERE, listener.port, *paths)
    assert "0x0110" in answer.stdout
    assert "0x0000: Success" in answer.stdout
    assert [bag.ended for bag in guest.bags] == ["aborted", "finished"]
    assert "ValueError" in caplog.text
    assert "Ada" not in caplog.text


def test_too_many_associations_are_asked_to_come_again(listen: Listen) -> None:
    listener, _ = listen(max_associations=0)
    answer = run("echoscu", "-v", "-aec", "DICOMRCV", HERE, listener.port)
    assert "Rejected Transient" in answer.stdout
    assert "Local Limit Exceeded" in answer.stdout


def test_a_stopped_listener_lets_nobody_in(listen: Listen) -> None:
    listener, _ = listen()
    port = listener.port
    listener.stop(grace=1)
    assert run("echoscu", "-aec", "DICOMRCV", HERE, port).returncode != 0


def test_an_association_that_ended_is_not_counted(listen: Listen) -> None:
    listener, guest = listen()
    run("echoscu", "-aec", "DICOMRCV", HERE, listener.port)
    wait_for(lambda: listener.active() == 0)
    assert guest.callers[0] == Caller("DICOMRCV", "ECHOSCU", HERE, guest.callers[0].port)
