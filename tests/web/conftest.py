from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import Permission, User
from django.test import Client

from proxy.vault import keyring
from proxy.vault.pseudonyms import forget_cache
from tests.scene import Scene, make_scene


@pytest.fixture
def keys(tmp_path: Path, settings: LazySettings) -> Path:
    """Keys of this test alone."""
    settings.KEY_DIR = tmp_path / "keys"
    forget_cache()
    keyring.ensure_keys(settings.KEY_DIR)
    return Path(settings.KEY_DIR)


@pytest.fixture
def scene(db: None, keys: Path) -> Scene:
    return make_scene()


@pytest.fixture
def chief(db: None, keys: Path) -> Client:
    """Somebody who may everything."""
    client = Client()
    client.force_login(User.objects.create(username="chief", is_staff=True, is_superuser=True))
    return client


def colleague(*permissions: str) -> Client:
    """Somebody of the staff with these permissions and no other."""
    user = User.objects.create(username="colleague", is_staff=True)
    for name in permissions:
        app, codename = name.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    client = Client()
    client.force_login(user)
    return client
