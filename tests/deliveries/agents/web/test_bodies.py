"""Bodies say their exact length and are what the standards say, read by a parser that is not ours."""

import email.parser
import email.policy
from pathlib import Path
from typing import Any

import pytest

from proxy.deliveries.agents.web.bodies import PIECE, Body, FilePart, SourceGone, form, related


def parsed(body: Body) -> list[tuple[dict[str, str], bytes]]:
    whole = b"".join(body)
    assert len(whole) == body.len
    text = f"Content-Type: {body.content_type}\r\n\r\n".encode() + whole
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(text)
    return [(dict(part.items()), bytes(part.get_payload(decode=True))) for part in _parts_of(message)]


def _parts_of(message: Any) -> Any:
    return message.iter_parts()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    contents = [b"", b"one", b"--\r\n--boundary\r\n" * 10, bytes(range(1, 128)) * (PIECE // 50)]
    paths = [tmp_path / str(number) for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def test_related_carries_each_file_as_dicom(files: list[Path]) -> None:
    body = related(files)
    assert body.content_type.startswith('multipart/related; type="application/dicom"; boundary=')
    assert parsed(body) == [({"Content-Type": "application/dicom"}, path.read_bytes()) for path in files]


def test_a_form_carries_its_fields_and_then_the_file(files: list[Path]) -> None:
    body = form([("name", "CT Kopf ü"), ("empty", "")], "file", "a.zip", files[3], "application/zip")
    found = parsed(body)
    assert [content for _, content in found] == ["CT Kopf ü".encode(), b"", files[3].read_bytes()]
    assert found[0][0] == {"Content-Disposition": 'form-data; name="name"'}
    assert found[2][0] == {
        "Content-Disposition": 'form-data; name="file"; filename="a.zip"',
        "Content-Type": "application/zip",
    }


def test_a_body_can_be_sent_again(files: list[Path]) -> None:
    body = related(files)
    assert b"".join(body) == b"".join(body)


def test_no_piece_is_large(files: list[Path]) -> None:
    assert max(map(len, related(files))) <= PIECE


@pytest.mark.parametrize("change", ["shorter", "longer", "gone"])
def test_a_file_that_is_no_longer_what_it_was_ends_the_body(files: list[Path], change: str) -> None:
    body = related(files)
    if change == "gone":
        files[3].unlink()
    else:
        files[3].write_bytes(
            files[3].read_bytes()[:-1] if change == "shorter" else files[3].read_bytes() + b"x"
        )
    sent = 0
    with pytest.raises(SourceGone):
        for piece in body:
            sent += len(piece)
    assert sent < body.len


def test_a_missing_file_is_noticed_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(SourceGone):
        FilePart.of(tmp_path / "missing")
