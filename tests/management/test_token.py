"""`token`: nodes get what they show over HTTP, once, and lose it again."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from proxy.routing import tokens
from proxy.routing.models import NodeToken
from proxy.routing.site import apply, read

pytestmark = pytest.mark.django_db(transaction=True)
SITE = """
projects: [{name: default, recipe: basic}]
nodes:
  - {name: CT_EAST, ae_title: CT_EAST, host: 127.0.0.1, port: 4243, may: [store]}
  - {name: MUTE, ae_title: MUTE, host: 127.0.0.1, port: 4244, may: []}
destinations: [{name: outbox, kind: folder, path: outbox}]
routes: [{called_ae: DICOMRCV, project: default, destinations: [outbox]}]
"""


@pytest.fixture(autouse=True)
def site(own_folders: Path) -> None:
    apply(read(SITE), "test")


def said(*words: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("token", *words, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_a_token_is_shown_alone_on_its_line_so_that_a_script_can_take_it() -> None:
    out, err = said("make", "CT_EAST")
    assert tokens.known(out.strip(), timezone.now()) == NodeToken.objects.get()
    assert "once" in err
    assert out.strip() not in err


@pytest.mark.parametrize("word", ["withdraw", "revoke"])
def test_the_list_shows_what_is_in_force_and_no_token(word: str) -> None:
    secret = said("make", "CT_EAST", "--until", "2099-12-31")[0].strip()
    number = NodeToken.objects.get().pk
    listed = said("list")[0]
    assert "CT_EAST calls DICOMRCV, until 2099-12-31, never used" in listed
    assert secret not in listed
    assert "not accepted any more" in said(word, str(number))[0]
    assert said("list")[0] == ""
    assert tokens.known(secret, timezone.now()) is None


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("make", "CT_EAST", "--called", "NOBODY"), "nothing can be stored"),
        (("make", "MUTE"), "`may` is empty"),
    ],
)
def test_it_says_what_a_token_will_not_do(words: tuple[str, ...], why: str) -> None:
    assert why in said(*words)[1]


@pytest.mark.parametrize(
    "words", [("make", "STRANGER"), ("make", "CT_EAST", "--until", "2020-01-01"), ("withdraw", "4711")]
)
def test_what_cannot_be_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        said(*words)
    assert not NodeToken.objects.exists()
