"""A customer's modality, from the key in the settings to the image that is one too many."""

import subprocess
from pathlib import Path

import pytest

from tests import cast
from tests.house import House
from tests.journeys import help as journey
from tests.management import test_serve as serve
from tests.tools import debian

KEY = "0123456789abcdef" * 2
SITE = """
projects: [{name: default, recipe: basic}, {name: customer-acme, recipe: basic}]
routes:
  - {called_ae: DICOMRCV, project: default}
  - {called_ae: ACME, project: customer-acme}
"""
FILL = """
from django.utils import timezone
from proxy.tiers import quota
from proxy.tiers.models import Customer
quota.take_many(Customer.objects.get(), 48, 0, timezone.now())
"""


def statuses(house: House, called: str, *files: Path) -> str:
    """What DCMTK's storescu hears for each, as it says it."""
    sender = [debian("storescu"), "-d", "-nh", "-aet", cast.CT_EAST, "-aec", called]
    said = subprocess.run(
        [*sender, "127.0.0.1", str(house.dicom_port), *files],
        env={"TCP_NODELAY": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return said.stdout + said.stderr


@pytest.mark.journey
@pytest.mark.peers
@pytest.mark.timeout(300)
def test_the_image_after_the_last_of_the_month_is_refused_and_those_of_the_site_are_not(
    house: House, tmp_path: Path
) -> None:
    house.env["DCM_API_KEYS"] = f"acme:{KEY}"
    (tmp_path / "site.yaml").write_text(SITE)
    assert "acme (free): 0 of 50 files" in house.command("customer", "list").stdout
    assert house.command("configure", str(tmp_path / "site.yaml")).returncode == 0
    assert house.command("shell", "-c", FILL).returncode == 0
    images = [cast.save(cast.ct(instance=number + 1), tmp_path) for number in range(3)]
    house.start("listen")
    serve.until(lambda: serve.is_open(house.dicom_port))

    said = statuses(house, "ACME", *images)
    assert said.count("0x0000: Success") == 2
    assert "0xa700" in said.lower() and "Quota of this month is used up" in said
    assert journey.sent_safely(house, *images)
    assert "acme (free): 50 of 50 files" in house.command("customer", "list").stdout
    assert journey.count(house, "SELECT count(*) FROM studies_instance") == 5
    assert not journey.leaks(house, (KEY, *cast.NEEDLES))
