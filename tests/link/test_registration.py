"""Where we are is told once, and again when it is somewhere else: a machine that boots may have had no network yet."""

import pytest
from django.conf import LazySettings

from proxy.backend.models import Outgoing
from proxy.backend.remembered import last_known, load_table
from proxy.link import whereabouts
from proxy.link.asking import ask_once
from proxy.link.running import Link, registration
from tests.backend.platform import Platform
from tests.backend.said import configuration

pytestmark = pytest.mark.django_db


def test_an_address_that_changed_is_told_again(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ITH_URL, settings.PROXY_HOST_IP = "https://backend.example", ""
    found = ["east-pc", "east-pc", "10.1.0.9"]
    monkeypatch.setattr(whereabouts, "choose", lambda facts: found.pop(0))
    link = Link(lambda seconds: True)
    link._register()
    assert Outgoing.objects.get().body["ip_address"] == "east-pc"
    Outgoing.objects.all().delete()  # it was acknowledged
    link._register()
    assert not Outgoing.objects.exists()
    link._register()
    assert Outgoing.objects.get().body["api_url"].startswith("http://10.1.0.9:")


def test_what_the_backend_says_of_our_address_binds_and_tells_nothing(
    platform: Platform, settings: LazySettings
) -> None:
    """Its address fields describe us to others; ours are told to it, and not its own back."""
    settings.PROXY_HOST_IP = "192.0.2.7"
    before = registration(), load_table().routes
    port, ae_title, bind = settings.DICOM_PORT, settings.DICOM_AE_TITLE, settings.DICOM_BIND_ADDRESS
    others = {"ip_address": "10.9.9.9", "port": 4242, "ae_title": "OTHER", "api_url": "http://10.9.9.9:1"}
    platform.configuration = configuration(config=others)
    assert ask_once() and last_known().port == 4242
    assert (registration(), load_table().routes) == before
    assert (port, ae_title, bind) == (
        settings.DICOM_PORT,
        settings.DICOM_AE_TITLE,
        settings.DICOM_BIND_ADDRESS,
    )
    assert registration()["port"] == port and registration()["ip_address"] == "192.0.2.7"
