"""What exists is described, and what is described exists: settings, commands, lives, containers, links."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from proxy.backend.lifecycle import LIFE as DISPATCH
from proxy.deliveries.lifecycle import LIFE as DELIVERY
from proxy.lives import Life
from proxy.quarantine.lifecycle import LIFE as HELD
from proxy.retrieval.home.lifecycle import LIFE as HOMECOMING
from proxy.retrieval.lifecycle import LIFE as COMMITMENT
from proxy.retrieval.pulls.lifecycle import ITEM, PULL
from proxy.service.lifecycle import LIFE as JOB
from proxy.storage import cores
from proxy.studies.lifecycle import LIFE as REVISION
from tests.docs import reading

OPERATIONS = reading.text("docs/operations.md")
COMPOSE = ("docker-compose.yml", "docker-compose.postgres.yml")
SEED = {
    "DICOM_AE_TITLE": "DICOMRCV", "DICOM_PORT": "11112", "DICOM_STORAGE_DIR": "data", "DICOM_LOG_DIR": "data/logs",
    "DICOM_STUDY_TIMEOUT": "60", "DICOM_MAX_PDU_SIZE": "16384", "DICOM_ACSE_TIMEOUT": "30",
    "DICOM_DIMSE_TIMEOUT": "60", "DICOM_NETWORK_TIMEOUT": "60", "DICOM_MAX_ASSOCIATIONS": "50",
    "DICOM_ANONYMIZE_PATIENTS": "True", "DICOM_AUTO_START": "True", "PROXY_VERSION": "1.0.0",
    "ARCHIVE_DIR": "data/archives", "UPLOAD_MAX_RETRIES": "3", "UPLOAD_RETRY_DELAY": "5",
    "CLEANUP_AFTER_UPLOAD": "True", "DATABASE_ENGINE": "sqlite", "DATABASE_PATH": "data/database/db.sqlite3",
    "POSTGRES_DB": "ith_proxy", "POSTGRES_USER": "postgres", "POSTGRES_HOST": "db", "POSTGRES_PORT": "5432",
}  # fmt: skip
"""FEATURES P18-P42: the names and defaults that users know."""


def test_every_setting_is_described_and_no_other() -> None:
    names = [one.name for one in reading.described()]
    assert len(names) == len(set(names))
    assert set(names) == set(reading.declared())
    assert all(one.sentence for one in reading.described())


def test_each_described_default_is_the_real_one() -> None:
    described = {one.name: one.default for one in reading.described()}
    for name, call in reading.declared().items():
        real = reading.default_of(call)
        assert real is None or described[name] in {real, ""}, name


@pytest.mark.parametrize(("name", "default"), SEED.items())
def test_the_names_and_defaults_that_users_know_are_kept(name: str, default: str) -> None:
    assert {one.name: one.default for one in reading.described()}[name] == default


def test_the_table_of_settings_is_made_of_the_example() -> None:
    assert reading.table(reading.described()) in OPERATIONS


def test_every_command_is_described_and_no_other() -> None:
    section = OPERATIONS.split("## Commands")[1].split("## Lives")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == reading.commands()


@pytest.mark.parametrize(
    ("title", "life"),
    [
        ("Revision of a study", REVISION),
        ("Delivery to a destination", DELIVERY),
        ("Image in quarantine", HELD),
        ("Request for storage commitment", COMMITMENT),
        ("Homecoming of a result", HOMECOMING),
        ("Dispatch of the backend", DISPATCH),
        ("Pull", PULL),
        ("Study of a pull", ITEM),
        ("Job of the service", JOB),
    ],
)
def test_every_arrow_is_drawn_from_the_table(title: str, life: Life) -> None:
    section = OPERATIONS.split(f"### {title}")[1].split("```")[1]
    drawn = [line for line in section.strip().splitlines() if line]
    assert drawn == [f"{one} --{event}--> {to}" for one, event, to in life.arrows()]
    assert f"Begins as `{life.first}`" in OPERATIONS.split(f"### {title}")[1]


def compose(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load(reading.text(name)))


def _environment(name: str) -> Iterator[str]:
    for service in compose(name)["services"].values():
        yield from service.get("environment", {})
    yield from re.findall(r"\$\{([A-Z_]+)", reading.text(name))


@pytest.mark.parametrize("name", COMPOSE)
def test_compose_knows_no_other_settings(name: str) -> None:
    assert set(_environment(name)) <= {one.name for one in reading.described()}


@pytest.mark.parametrize("name", COMPOSE)
def test_compose_serves_both_ports_from_the_service_that_users_know(name: str) -> None:
    services = compose(name)["services"]
    ports = " ".join(port for one in services.values() for port in one.get("ports", []))
    assert "proxy" in services
    assert "8080" in ports
    assert "11112" in ports


@pytest.mark.parametrize("name", COMPOSE)
def test_keys_lie_in_a_volume_of_their_own(name: str) -> None:
    for service in compose(name)["services"].values():
        if service.get("image") == "postern":
            assert "keys:/app/keys" in service["volumes"]
            assert not any(str(one).endswith(":/app") for one in service["volumes"])
    assert "keys" in compose(name)["volumes"]


@pytest.mark.parametrize("name", COMPOSE)
def test_promise_8_no_container_of_ours_leaves_a_core(name: str) -> None:
    ours = {key: one for key, one in compose(name)["services"].items() if one.get("image") == "postern"}
    assert all(one["ulimits"] == {"core": cores.NONE} for key, one in ours.items() if key != "folders")


def test_postgresql_is_reached_under_the_name_that_users_know() -> None:
    assert "db" in compose("docker-compose.postgres.yml")["services"]


def test_the_image_is_built_from_pinned_requirements_and_runs_without_root() -> None:
    steps = re.findall(r"^([A-Z]+) (.*)$", reading.text("deploy/Dockerfile"), re.MULTILINE)
    assert ("ARG", "BASE_IMAGE=python:3.11-slim-bookworm") in steps
    assert ("FROM", "${BASE_IMAGE}") in steps
    assert any(word == "RUN" and "--require-hashes -r requirements.txt" in rest for word, rest in steps)
    assert [word for word, _ in steps].index("USER") < [word for word, _ in steps].index("CMD")
    assert "HEALTHCHECK" in {word for word, _ in steps}
    copied = [path for word, rest in steps if word == "COPY" for path in rest.split()[:-1]]
    assert all((reading.ROOT / path).exists() for path in copied)


def test_every_requirement_is_pinned_and_hashed() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        lines = [line for line in reading.text(name).splitlines() if re.match(r"[A-Za-z0-9]", line)]
        assert lines
        assert all(re.match(r"[\w.\[\]-]+==\S+ \\$", line) for line in lines)
        assert reading.text(name).count("--hash=sha256:") >= len(lines)


@pytest.mark.parametrize(
    "document", ["README.md", *(f"docs/{file.name}" for file in (reading.ROOT / "docs").glob("*.md"))]
)
def test_links_lead_somewhere_and_words_are_chosen(document: str) -> None:
    text = reading.text(document)
    folder = (reading.ROOT / document).parent
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (folder / link).exists(), link


def test_the_readme_says_what_it_is_and_is_not() -> None:
    text = reading.text("README.md")
    assert "**Pseudonymization**" in text
    assert "not a medical device" in text
    assert "make demo" in text
    assert "make test" in text
