"""Where the web process binds."""

import pytest
from gunicorn.config import Config
from pytest_django import Settings

from proxy.web.server import options


@pytest.mark.parametrize(
    ("address", "bound"),
    [("0.0.0.0", ("0.0.0.0", 8080)), ("::", ("::", 8080)), ("::1", ("::1", 8080))],
)
def test_an_address_of_either_family_is_bound(
    settings: Settings, address: str, bound: tuple[str, int]
) -> None:
    settings.API_BIND_ADDRESS, settings.API_PORT = address, 8080
    config = Config()
    config.set("bind", options(5)["bind"])
    assert config.address == [bound]
