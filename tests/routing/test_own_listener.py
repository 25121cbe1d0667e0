"""Where our own listener is, for processes that are not the listener."""

import pytest
from django.conf import LazySettings

from proxy.routing import listener
from tests.cluster import free_port


@pytest.mark.parametrize(
    ("bind", "elsewhere", "host"),
    [
        ("", "", "127.0.0.1"),
        ("0.0.0.0", "", "127.0.0.1"),
        ("::", "", "127.0.0.1"),
        ("10.0.0.5", "", "10.0.0.5"),
        ("10.0.0.5", "listen", "listen"),
        ("", "listen", "listen"),
    ],
)
def test_where_it_is(settings: LazySettings, bind: str, elsewhere: str, host: str) -> None:
    settings.DICOM_BIND_ADDRESS, settings.DICOM_LISTENER_HOST = bind, elsewhere
    assert listener.host() == host


def test_one_that_is_not_there_does_not_read(settings: LazySettings) -> None:
    settings.DICOM_PORT = free_port()
    assert not listener.reads(1.0)
    settings.DICOM_LISTENER_HOST = "no.such.host.invalid"
    assert not listener.reads(1.0)
