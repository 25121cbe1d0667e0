"""The pages in a real browser, scripts on: they work under our Content-Security-Policy, and no console complains."""

import os
from collections.abc import Iterator

import pytest

from tests.house import House
from tests.management.test_serve import answers, until
from tests.peers import chromium
from tests.peers.chromium import Page

pytestmark = [pytest.mark.peers, pytest.mark.journey]  # the second keeps them together: one site, one browser
NODES = "operations-nodes-nodes_retrieve"
PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, migrated: House) -> Iterator[str]:
    """The web process as it is run; its address. `chief` may everything."""
    house = House.build(tmp_path_factory.mktemp("site"), {**os.environ, "API_DOCS": "True"})
    house.take_database_of(migrated)
    name = {
        "DJANGO_SUPERUSER_USERNAME": "chief",
        "DJANGO_SUPERUSER_EMAIL": "",
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
    }
    made = house.command("createsuperuser", "--noinput", **name)
    assert made.returncode == 0, made.stderr
    house.start("web")
    until(lambda: answers(house.api_port))
    yield f"http://127.0.0.1:{house.api_port}"
    house.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, site: str) -> Iterator[Page]:
    """Ends first: a server waits for those who hold its line."""
    with chromium.page(tmp_path_factory.mktemp("chromium")) as page:
        yield page


@pytest.fixture
def page(browser: Page) -> Iterator[Page]:
    browser.complaints.clear()
    yield browser
    assert browser.complaints == []


def log_in(page: Page, site: str) -> None:
    page.go(f"{site}/admin/")
    if page.run("location.pathname") == "/admin/":
        return
    page.type("#id_username", "chief")
    page.type("#id_password", PASSWORD)
    page.click("input[type=submit]", leads_on=True)
    assert page.run("location.pathname") == "/admin/"


def test_a_complaint_would_be_heard(browser: Page, site: str) -> None:
    """Else the others prove nothing."""
    browser.go(f"{site}/legal/dpa")
    for bad in ("<style>p {color: red}</style>", "<img src='http://elsewhere.example/x.png'>"):
        browser.complaints.clear()
        browser.run(f"void document.body.insertAdjacentHTML('beforeend', {bad!r})")
        browser.until("new Promise(done => setTimeout(() => done(true), 100))")
        assert any("Content Security Policy" in one for one in browser.complaints), bad
    browser.complaints.clear()
    browser.run("fetch('/no-such-page')")
    assert any(one.startswith("404") for one in browser.complaints)


def test_somebody_logs_in_and_finds_the_house(page: Page, site: str) -> None:
    log_in(page, site)
    assert (
        page.run("getComputedStyle(document.querySelector('#header')).backgroundColor") != "rgba(0, 0, 0, 0)"
    )
    assert page.run("document.querySelectorAll('#house p').length") >= 3
    assert page.run("document.cookie") == ""  # both are HttpOnly
    theme = "document.documentElement.dataset.theme"
    before = page.run(theme)
    page.click(".theme-toggle")
    assert page.run(theme) != before


def test_a_list_has_its_filters_and_its_actions(page: Page, site: str) -> None:
    log_in(page, site)
    page.go(f"{site}/admin/auth/group/add/")
    page.type("#id_name", "readers")
    page.click("input[name=_save]", leads_on=True)
    page.click("#action-toggle")
    page.until("document.querySelector('.action-counter').innerText.startsWith('1 of 1')")
    page.go(f"{site}/admin/studies/study/")
    page.click("#changelist-filter li:not(.selected) a", leads_on=True)
    assert "held_at__isempty" in page.run("location.search")


def test_a_form_has_its_calendar_and_its_choices(page: Page, site: str) -> None:
    log_in(page, site)
    page.go(f"{site}/admin/auth/user/1/change/")
    page.click("#calendarlink1")
    page.until("document.querySelector('#calendarbox1').checkVisibility()")
    before = page.run("document.querySelector('#id_date_joined_0').value")
    page.run("document.querySelector('#id_date_joined_0').value = ''")
    page.click("#calendarbox1 .calendar td:not(.nonday) a")
    assert len(page.run("document.querySelector('#id_date_joined_0').value")) == len(before) == 10
    page.until("document.querySelectorAll('#id_user_permissions_from option').length > 20")
    page.click("#id_user_permissions_from option")
    for address in ("backend/userright/add", "routing/destination/add", "routing/route/add"):
        page.go(f"{site}/admin/{address}/")
        assert page.run("document.querySelectorAll('form input').length") > 2, address


def test_the_description_is_drawn_and_a_door_is_asked_from_it(page: Page, site: str) -> None:
    log_in(page, site)
    page.go(f"{site}/docs")
    page.until("document.querySelectorAll('.opblock').length > 20")
    drawn = page.run("document.querySelectorAll('.opblock').length")
    count = "Object.values(said.paths).flatMap(Object.keys).length"
    assert drawn == page.run(f"fetch('/docs/openapi.json').then(one => one.json()).then(said => {count})")
    for button in (".opblock-summary-control", ".try-out__btn", ".execute"):
        page.click(f"#{NODES} {button}")
    answer = f"#{NODES} .live-responses-table"
    page.until(
        f"document.querySelector('{answer} tbody td.response-col_status')?.innerText.startsWith('200')"
    )
    said = page.run(f"document.querySelector('{answer}').innerText")
    assert '"results": []' in said and "no-store" in said


@pytest.mark.parametrize("address", ["/legal/dpa", "/legal/dpa/print", "/legal/records"])
def test_papers_are_set_as_papers(page: Page, site: str, address: str) -> None:
    log_in(page, site)
    page.go(site + address)
    assert page.run("document.querySelector('h1').innerText") and page.run("document.styleSheets.length") > 0
