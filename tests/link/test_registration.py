"""Where we are is told once, and again when it is somewhere else: a machine that boots may have had no network yet."""

import pytest
from django.conf import LazySettings

from proxy.backend.models import Outgoing
from proxy.link import whereabouts
from proxy.link.running import Link

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
