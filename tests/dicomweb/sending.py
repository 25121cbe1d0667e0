"""Bodies of Store transactions, right and wrong ones, and what is answered."""

import json
from io import BytesIO
from typing import Any

from tests import cast
from tests.dicomweb.conftest import Site

BOUNDARY = "b0undary"
RELATED = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
HEADER = b"Content-Type: application/dicom"


def related(*parts: bytes, header: bytes = HEADER, boundary: str = BOUNDARY) -> bytes:
    mark = f"--{boundary}".encode()
    return b"".join(mark + b"\r\n" + header + b"\r\n\r\n" + one + b"\r\n" for one in parts) + mark + b"--\r\n"


def images(*datasets: Any) -> bytes:
    return related(*(cast.part10(one) for one in datasets))


def post(
    site: Site,
    body: bytes,
    content_type: str = RELATED,
    *,
    study: str = "",
    node: str = "CT_EAST",
    chunked: bool = False,
    **more: Any,
) -> Any:
    path = f"/dicomweb/studies/{study}" if study else "/dicomweb/studies"
    said = {"CONTENT_TYPE": content_type, **site.headers(node), **more}
    if chunked:
        said |= {
            "wsgi.input": BytesIO(body),
            "wsgi.input_terminated": True,
            "HTTP_TRANSFER_ENCODING": "chunked",
            "CONTENT_LENGTH": "",
        }
        return site.client.generic("POST", path, b"", **said)
    return site.client.generic("POST", path, body, content_type, **said)


def stored(answer: Any) -> dict[str, int | None]:
    """Warning by SOP Instance UID."""
    return {_uid(item): _number(item, "00081196") for item in _items(answer, "00081199")}


def failed(answer: Any) -> dict[str, int | None]:
    """Reason by SOP Instance UID."""
    return {_uid(item): _number(item, "00081197") for item in _items(answer, "00081198")}


def nameless(answer: Any) -> list[int | None]:
    return [_number(item, "00081197") for item in _items(answer, "0008119A")]


def _items(answer: Any, tag: str) -> list[Any]:
    assert answer["Content-Type"] == "application/dicom+json"
    return list(json.loads(answer.content).get(tag, {}).get("Value", []))


def _uid(item: Any) -> str:
    return str(item["00081155"]["Value"][0])


def _number(item: Any, tag: str) -> int | None:
    return int(item[tag]["Value"][0]) if tag in item else None


def problem(answer: Any) -> tuple[int, str]:
    assert answer["Content-Type"] == "application/problem+json"
    return answer.status_code, json.loads(answer.content)["code"]
