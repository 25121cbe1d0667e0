"""What comes before Django has a request."""

import json
from typing import Any

import pytest
from django.core.wsgi import get_wsgi_application
from django.test import RequestFactory

from proxy.web.heads import Readable, is_readable


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary*=foo''%41", "text/plain; charset*=foo''a"])
def test_a_content_type_in_an_unknown_encoding_is_a_broken_request(kind: str) -> None:
    """Django raises while it makes the request; who sent it saw the server's own page of 500."""
    heard: list[str] = []
    environ: dict[str, Any] = RequestFactory().post("/v1/anonymize").environ | {"CONTENT_TYPE": kind}
    said = Readable(get_wsgi_application())(environ, lambda status, headers: heard.append(status))
    assert heard == ["400 Bad Request"]
    assert json.loads(b"".join(said))["code"] == "malformed"


@pytest.mark.parametrize("kind", ["", "text/plain", 'multipart/form-data; boundary="x"', "a; b*=utf-8''%41"])
def test_what_can_be_read_goes_on(kind: str) -> None:
    assert is_readable(kind)
