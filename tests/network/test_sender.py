"""The sender against DCMTK's storescp: what arrives, and an outcome for each instance."""

import gc
import tracemalloc
from pathlib import Path

from pydicom import dcmread
from pydicom.uid import EnhancedCTImageStorage, MRImageStorage, RLELossless

from proxy.network.scu import Outgoing, Peer, SendResult, SendSummary, echo, send
from tests.network.people import free_port, image, outgoing, storescp, write


def peer(port: int) -> Peer:
    return Peer("ARCHIVE", "127.0.0.1", port, calling_ae="POSTERN", acse_timeout=60, dimse_timeout=60)


def sent(port: int, items: list[Outgoing]) -> tuple[list[SendResult], SendSummary]:
    results: list[SendResult] = []
    summary = send(peer(port), items, results.append, lambda: True)
    return results, summary


def test_a_running_peer_echoes(inbox: Path) -> None:
    with storescp(inbox) as port:
        result = echo(peer(port))
    assert result.ok
    assert result.reason == ""
    assert result.took_ms > 0


def test_a_dead_peer_is_reported_with_its_address() -> None:
    port = free_port()
    result = echo(peer(port))
    assert not result.ok
    assert f"127.0.0.1:{port}" in result.reason


def test_a_batch_arrives_bit_preserved(tmp_path: Path, inbox: Path) -> None:
    images = [image(number, rows=128) for number in range(5)]
    items = [outgoing(one, tmp_path, ordinal) for ordinal, one in enumerate(images)]
    with storescp(inbox, "-B") as port:
        results, summary = sent(port, items)
    assert [(one.ordinal, one.status, one.verdict) for one in results] == [(n, 0, "stored") for n in range(5)]
    assert summary == SendSummary(5, 0, 0)
    arrived = {dcmread(path).SOPInstanceUID: path for path in inbox.iterdir()}
    for one in images:
        assert dcmread(arrived[one.SOPInstanceUID]).PixelData == one.PixelData


def _rle(tmp_path: Path) -> Outgoing:
    dataset = image(9)
    path = write(dataset, tmp_path)
    compressed = dcmread(path)
    compressed.compress(RLELossless, generate_instance_uid=False)
    compressed.save_as(path)
    return Outgoing(9, str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), str(RLELossless), path)


def test_a_compressed_image_goes_as_it_is_to_who_takes_it(tmp_path: Path, inbox: Path) -> None:
    item = _rle(tmp_path)
    with storescp(inbox, "+xa", "-B") as port:
        results, _ = sent(port, [item])
    assert results[0].verdict == "stored"
    (arrived,) = (dcmread(path) for path in inbox.iterdir())
    assert arrived.file_meta.TransferSyntaxUID == RLELossless
    assert arrived.PixelData == dcmread(item.path).PixelData


def test_a_compressed_image_is_decoded_for_who_refuses_it(tmp_path: Path, inbox: Path) -> None:
    item = _rle(tmp_path)
    with storescp(inbox, "+xe") as port:
        results, _ = sent(port, [item])
    assert results[0].verdict == "stored"
    (arrived,) = (dcmread(path) for path in inbox.iterdir())
    assert arrived.PixelData == image(9).PixelData
    assert arrived.SOPInstanceUID == item.sop_instance_uid


def test_what_a_rejecting_peer_left_comes_later(tmp_path: Path, inbox: Path) -> None:
    items = [outgoing(image(number), tmp_path, number) for number in range(3)]
    with storescp(inbox, "--refuse") as port:
        results, summary = sent(port, items)
    assert {one.verdict for one in results} == {"later"}
    assert summary.later == 3
    assert "rejected" in summary.reason


def test_stopping_leaves_the_rest_for_later(tmp_path: Path, inbox: Path) -> None:
    items = [outgoing(image(number), tmp_path, number) for number in range(3)]
    results: list[SendResult] = []
    with storescp(inbox) as port:
        send(peer(port), items, results.append, lambda: not results)
    assert [one.verdict for one in results] == ["stored", "later", "later"]


def test_a_missing_file_does_not_stop_the_others(tmp_path: Path, inbox: Path) -> None:
    items = [outgoing(image(number), tmp_path, number) for number in range(2)]
    items[0].path.unlink()
    with storescp(inbox) as port:
        results, _ = sent(port, items)
    assert [one.verdict for one in results] == ["later", "stored"]


def test_more_syntaxes_than_an_association_holds_take_several(tmp_path: Path, inbox: Path) -> None:
    classes = [f"1.2.826.0.1.3680043.8.498.99.{number}" for number in range(100)]
    items = [outgoing(image(n, sop_class=uid), tmp_path, n) for n, uid in enumerate(classes)]
    items.append(outgoing(image(200, sop_class=MRImageStorage), tmp_path, 200))
    items.append(outgoing(image(201, sop_class=EnhancedCTImageStorage), tmp_path, 201))
    with storescp(inbox) as port:
        results, summary = sent(port, items)
    assert summary.stored == 2
    assert summary.refused == 100
    assert len(results) == 102


def test_the_file_that_comes_next_is_read_ahead_and_whatever_it_is_spoils_nothing(
    tmp_path: Path, inbox: Path
) -> None:
    """A next file that is gone, cut or changed is told of in its own turn."""
    items = [outgoing(image(number, rows=900), tmp_path, number) for number in range(5)]  # two windows each
    items[1].path.unlink()
    items[3].path.write_bytes(b"no image")
    with storescp(inbox, "-B") as port:
        results, summary = sent(port, items)
    assert [one.verdict for one in results] == ["stored", "later", "stored", "later", "stored"]
    assert (summary.stored, summary.later) == (3, 2)
    arrived = {path.name.split(".", 1)[1] for path in inbox.iterdir()}
    assert arrived == {items[n].sop_instance_uid for n in (0, 2, 4)}
    for path in inbox.iterdir():
        assert dcmread(path).PixelData == image(int(path.name.rpartition(".")[2]), rows=900).PixelData


def test_an_association_that_is_over_holds_no_buffers(tmp_path: Path, inbox: Path) -> None:
    """Also while nobody collects circles: a destination that is dead is tried for days."""
    items = [outgoing(image(1), tmp_path, 1)]
    gc.disable()
    try:
        with storescp(inbox) as port:
            tracemalloc.start()
            for _ in range(10):
                sent(port, items)
                echo(peer(free_port()))
            held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
        gc.enable()
    assert held < 4 << 20  # one buffer of a megabyte for each would be twenty
