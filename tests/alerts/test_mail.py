"""E-mail through a real server of the test, with and without TLS, and everything that may go wrong."""

import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings

from proxy.alerts.channels import mail, words
from tests.alerts.post import MailServer, mail_server
from tests.cluster import free_port
from tests.network.certificates import Authority

ENTRY = {
    "event": "raised",
    "alert": 7,
    "rule": "destination-resting",
    "title": "the destination rests",
    "subject": "ARCHIVE",
    "sentence": "It has failed 3 times in a row.",
    "advice": "See that it runs.",
    "since": "2026-03-01T12:00:00+00:00",
}
BODY: dict[str, Any] = {
    "id": "ab" * 16,
    "at": "2026-03-01T12:10:00+00:00",
    "from": "DICOMRCV",
    "alerts": [ENTRY],
    "more": 0,
}


def use(settings: LazySettings, server: MailServer, security: str = "none") -> None:
    settings.ALERT_EMAIL_TO = ["pacs@example.org", "it@example.org"]
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.EMAIL_FROM = "postern@example.org"
    settings.EMAIL_USE_TLS, settings.EMAIL_USE_SSL = security == "starttls", security == "tls"


def told(settings: LazySettings, server: MailServer, security: str = "none") -> str:
    """Nothing, or why not."""
    use(settings, server, security)
    outcome = mail.tell(BODY)
    return "" if outcome is None else outcome.reason


def context_of(folder: Path, address: str = "127.0.0.1") -> tuple[ssl.SSLContext, Path]:
    authority = Authority(folder)
    files = authority.issue("mail", address=address)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(files.certificate), str(files.key))
    return context, authority.file


def test_one_notice_is_one_mail_to_everybody(settings: LazySettings) -> None:
    with mail_server() as server:
        assert told(settings, server) == ""
        [message] = server.got
    assert server.to == ["pacs@example.org", "it@example.org"]
    assert message["Subject"] == "[Postern DICOMRCV] raised: ARCHIVE: the destination rests"
    assert message["From"] == "postern@example.org"
    assert message["Message-ID"] == f"<{BODY['id']}@postern>"
    assert message["Auto-Submitted"] == "auto-generated"
    text = message.get_content()
    assert "It has failed 3 times in a row." in text and "What to do: See that it runs." in text
    assert "Rule destination-resting, since 2026-03-01T12:00:00+00:00." in text


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_it_goes_over_tls_to_a_server_whose_authority_we_believe(
    settings: LazySettings, tmp_path: Path, security: str
) -> None:
    context, authority = context_of(tmp_path)
    settings.ALERT_AUTHORITIES = str(authority)
    with mail_server(tls=context, at_once=security == "tls") as server:
        assert told(settings, server, security) == ""
        assert server.was_secure == [True]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_it_does_not_go_to_a_server_that_we_do_not_believe(
    settings: LazySettings, tmp_path: Path, security: str
) -> None:
    context, _ = context_of(tmp_path)
    with mail_server(tls=context, at_once=security == "tls") as server:
        assert "do not believe its certificate" in told(settings, server, security)
        assert not server.got


def test_it_does_not_go_in_clear_to_a_server_without_tls(settings: LazySettings) -> None:
    with mail_server() as server:
        assert "check EMAIL_SECURITY" in told(settings, server, "starttls")
        assert not server.got


def test_a_certificate_of_another_name_is_not_believed(settings: LazySettings, tmp_path: Path) -> None:
    context, authority = context_of(tmp_path, address="127.0.0.9")
    settings.ALERT_AUTHORITIES = str(authority)
    with mail_server(tls=context) as server:
        assert "do not believe its certificate" in told(settings, server, "starttls")


def test_who_we_are_is_shown_where_it_is_asked_for(settings: LazySettings) -> None:
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "postern", "correct horse"
    with mail_server(password="correct horse") as server:
        assert told(settings, server) == ""
    with mail_server(password="another one") as server:
        reason = told(settings, server)
    assert "EMAIL_HOST_PASSWORD" in reason
    assert "correct horse" not in reason


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"MAIL": "550 not you"}, "does not take mail from EMAIL_FROM"),
        ({"RCPT": "550 Exampleova is unknown"}, "none of ALERT_EMAIL_TO"),
        ({"DATA": "451 later"}, "did not take the mail"),
        ({".": "552 too large"}, "did not take the mail"),
        ({"EHLO": "cut"}, "did not take the mail"),
        ({"EHLO": "500 what", "HELO": "500 what"}, "did not take the mail"),
        ({"MAIL": "cut"}, "did not take the mail"),
    ],
)
def test_what_goes_wrong_is_said_in_our_own_words(
    settings: LazySettings, fault: dict[str, str], expected: str
) -> None:
    with mail_server(fault=fault) as server:
        reason = told(settings, server)
    assert expected in reason
    assert "Exampleova" not in reason


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_server_that_answers_a_byte_now_and_then_is_left(
    settings: LazySettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: str
) -> None:
    monkeypatch.setattr(mail, "SECONDS", 1.0)
    context, authority = context_of(tmp_path)
    settings.ALERT_AUTHORITIES = str(authority)
    tls = None if security == "none" else context
    with mail_server(fault={"MAIL": "drip"}, tls=tls, at_once=security == "tls") as server:
        began = time.monotonic()
        assert "does not answer in time" in told(settings, server, security)
        assert time.monotonic() - began < 60


def test_a_server_that_is_not_there(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nobody goes on to wait until it is time to hang up on it."""
    monkeypatch.setattr(mail, "SECONDS", 1000.0)
    before = set(threading.enumerate())
    assert "Nothing listens" in told(settings, MailServer(free_port()))
    for one in set(threading.enumerate()) - before:
        one.join(60)
        assert not one.is_alive()


def test_one_of_two_addresses_that_is_refused_keeps_no_mail_from_the_other(settings: LazySettings) -> None:
    with mail_server(fault={"rcpt TO:<it@example.org>": "550 nobody of that name"}) as server:
        assert told(settings, server) == ""
        assert (len(server.got), server.to) == (1, ["pacs@example.org"])


def test_a_server_that_does_not_say_goodbye_has_taken_the_mail(settings: LazySettings) -> None:
    with mail_server(fault={"QUIT": "421 something else"}) as server:
        assert told(settings, server) == ""
        assert len(server.got) == 1
    with mail_server(fault={"QUIT": "cut"}) as server:
        assert told(settings, server) == ""


def test_without_addresses_it_is_not_set(settings: LazySettings) -> None:
    settings.ALERT_EMAIL_TO = []
    assert mail.place() == ""


def test_it_says_where_it_leads(settings: LazySettings) -> None:
    use(settings, MailServer(2525))
    assert mail.place() == "pacs@example.org, it@example.org by 127.0.0.1:2525"


def test_of_several_alerts_the_subject_says_how_many() -> None:
    several = {**BODY, "alerts": [ENTRY, {**ENTRY, "event": "cleared"}, {**ENTRY, "event": "worse"}, ENTRY]}
    assert words.subject(several) == "[Postern DICOMRCV] alerts: 2 raised, 1 worse, 1 cleared"
    assert "It is gone. Last it was: It has failed" in words.text(several)
    assert "And 9 more" in words.text({**BODY, "more": 9})
    assert words.subject({**BODY, "more": 9}) == "[Postern DICOMRCV] alerts: 1 raised"
