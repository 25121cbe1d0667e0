"""docs/service.md says what the table of tiers says, and deploy/fly.toml starts what is there."""

import re
import tomllib

from proxy.api.v1.urls import urlpatterns
from proxy.management.commands.serve import SERVICES
from proxy.tiers.billing import ACTS
from proxy.tiers.subscriptions import GRACE
from proxy.tiers.table import ALL, MEGABYTE
from tests.docs import reading

SERVICE = reading.text("docs/service.md")
FLY = tomllib.loads(reading.text("deploy/fly.toml"))


def test_the_table_of_tiers_is_the_one_in_the_code() -> None:
    for tier in ALL:
        files = "no limit" if tier.files is None else f"{tier.files:,}"
        requests = "no limit" if tier.requests is None else f"{tier.requests:,}"
        jobs = "yes" if tier.jobs else "no"
        row = f"| {tier.title} | {files} | {requests} | {tier.size // MEGABYTE:,} | {jobs} |"
        assert row in SERVICE.splitlines()


def test_every_event_that_is_acted_upon_is_named() -> None:
    named = set(re.findall(r"`((?:checkout|customer|invoice)\.[a-z_.]+)`", SERVICE))
    assert named | {"invoice.payment_succeeded"} == set(ACTS)  # the same as invoice.paid, by its older name
    assert f"{GRACE.days} days" in SERVICE


def test_every_door_of_customers_is_described() -> None:
    described = set(re.findall(r"`(?:GET|POST|DELETE) (/v1/(?:usage|keys|billing)[a-z/-]*)", SERVICE))
    paths = [pattern.pattern.regex for pattern in urlpatterns]
    assert all(any(regex.match(path.strip("/") or path) for regex in paths[:-1]) for path in described)
    assert {"/v1/usage", "/v1/keys", "/v1/keys/rotate", "/v1/billing/checkout-session"} <= described


def test_what_is_not_included_is_said() -> None:
    assert re.search(r"Not included in this software.*SLA.*BAA.*SSO", SERVICE, re.DOTALL)


def test_fly_builds_our_image_and_starts_what_there_is() -> None:
    assert (reading.ROOT / "deploy" / FLY["build"]["dockerfile"]).is_file()
    words = FLY["processes"]["app"].split()
    assert words[:4] == ["python", "manage.py", "serve", "--only"]
    assert set(words[4:]) <= set(SERVICES)
    assert FLY["primary_region"] == "cdg"


def test_fly_knows_no_other_settings_and_no_secret() -> None:
    described = {one.name for one in reading.described()}
    assert set(FLY["env"]) <= described
    assert not [name for name in FLY["env"] if re.search("KEY$|SECRET|TOKEN|PASSWORD|URL|API_KEYS", name)]
    commands = reading.text("deploy/fly.toml").split("\napp =")[0]
    assert set(re.findall(r"\b([A-Z]+_[A-Z_]+)=", commands)) <= described


def test_fly_keeps_data_and_keys_on_the_volume_and_the_keys_apart() -> None:
    (mount,) = FLY["mounts"]
    assert mount["source"] == "vault_data"
    folders = {name: FLY["env"][name] for name in ("DATA_DIR", "KEY_DIR", "BACKUP_DIR")}
    assert all(path.startswith(f"{mount['destination']}/") for path in folders.values())
    assert not folders["KEY_DIR"].startswith(f"{folders['DATA_DIR']}/")


def test_fly_asks_for_health_where_it_is() -> None:
    service = FLY["http_service"]
    assert str(service["internal_port"]) == FLY["env"]["API_PORT"]
    assert service["force_https"] is True
    assert service["auto_stop_machines"] == "off", "the workers must not stop because nobody asks"
    (check,) = service["checks"]
    assert check["path"] == "/health"
    assert check["headers"]["Host"] in FLY["env"]["ALLOWED_HOSTS"].split(",")


def test_fly_has_room_for_images_on_its_volume_and_in_its_memory() -> None:
    """Under the watermark of every other house, a volume of this size never took one."""
    volume = int(FLY["mounts"][0]["initial_size"].removesuffix("gb")) * 1_024
    memory = int(FLY["vm"][0]["memory"].removesuffix("gb")) * 1_024
    kept = {name: int(FLY["env"][name]) for name in ("DISK_WATERMARK", "SERVICE_KEPT_LIMIT")}
    assert sum(kept.values()) <= volume // 2
    assert 3 * int(FLY["env"]["DICOM_MEMORY_LIMIT"]) < memory, (
        "images on their way, and twice that for answers"
    )
