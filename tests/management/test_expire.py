"""`expire`: says what would go and why the rest stays, and lets go by a person's word."""

import os
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.utils import timezone

from proxy.audit.models import Entry
from proxy.management.doctor import books, stock
from proxy.management.doctor.findings import Finding
from proxy.retention import images, pausing
from proxy.routing.models import Project
from proxy.studies import review
from proxy.studies.models import Revision
from tests.deliveries.builders import a_revision, files_of, place_of
from tests.retention.help import delivered, on_disk

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_folders")]

DAY = timedelta(days=1)


def expire(*options: str) -> list[str]:
    out = StringIO()
    call_command("expire", *options, stdout=out)
    return out.getvalue().splitlines()


def test_a_dry_run_says_what_would_go_and_why_the_rest_stays_and_changes_nothing() -> None:
    old = delivered(1, at=timezone.now() - 8 * DAY)
    delivered(2, at=timezone.now() - 2 * DAY)
    review.hold(delivered(3, at=timezone.now() - 9 * DAY).study, "ada", timezone.now())
    before = list(Revision.objects.order_by("pk").values())
    first, total, *rest = expire("--dry-run")
    assert first.startswith(f"{old.study.uid} revision 1: 3 images, 24 bytes, over since ")
    assert total == "1 revision with 3 images would go."
    assert rest[0].startswith("1 revision stays: Its retention has not passed. The first may go on ")
    assert rest[1:] == ["1 revision stays: Its study is held; set it free first."]
    assert list(Revision.objects.order_by("pk").values()) == before and len(on_disk()) == 9


def test_it_lets_go_in_the_name_of_who_calls() -> None:
    delivered(1, at=timezone.now() - 8 * DAY)
    assert expire() == ["1 revision with 3 images gone."] and on_disk() == []
    assert Entry.objects.get(action="study.expired").actor.endswith("(console)")
    assert expire() == ["0 revisions with 0 images gone."]


def test_a_person_may_name_another_age_also_where_nothing_goes_by_itself(settings: LazySettings) -> None:
    settings.CLEANUP_AFTER_UPLOAD = False
    delivered(1, at=timezone.now() - 2 * DAY)
    assert expire()[1:] == ["1 revision stays: CLEANUP_AFTER_UPLOAD is False."]
    assert expire("--older-than", "3")[0] == "0 revisions with 0 images gone."
    assert expire("--older-than", "1")[0] == "1 revision with 3 images gone."


def test_promise_3_no_option_removes_what_is_not_delivered() -> None:
    files_of(a_revision(1, state="released"))
    assert (
        expire("--older-than", "0", "--rejected")[0] == "0 revisions with 0 images gone."
        and len(on_disk()) == 3
    )


def test_rejected_revisions_go_when_they_are_asked_for() -> None:
    revision = a_revision(1, state="review")
    files_of(revision)
    review.reject(revision, "ada", now=timezone.now() - 8 * DAY)
    [gone, why] = expire()
    assert gone == "0 revisions with 0 images gone." and "`expire --rejected` lets it go" in why
    assert expire("--rejected")[0] == "1 revision with 3 images gone."


def test_one_project_alone() -> None:
    delivered(1, at=timezone.now() - 8 * DAY)
    Project.objects.create(name="research")
    assert expire("--project", "research")[0] == "0 revisions with 0 images gone."
    with pytest.raises(CommandError, match="no such project"):
        expire("--project", "nowhere")
    assert expire("--project", "default")[0] == "1 revision with 3 images gone."


@pytest.mark.parametrize("age", ["-1", "soon", "1.5", "99999", ""])
def test_an_age_is_a_number_of_days(age: str) -> None:
    with pytest.raises(CommandError, match="older-than"):
        expire("--older-than", age)


def test_it_says_so_while_a_backup_is_made() -> None:
    delivered(1, at=timezone.now() - 8 * DAY)
    with pausing.paused(), pytest.raises(CommandError, match="A backup is being made"):
        expire()
    assert len(on_disk()) == 3


# --- the doctor -------------------------------------------------------------------------------------


def about_images() -> list[Finding]:
    return list(stock.examine_images())


def said() -> list[str]:
    return [str(one) for one in about_images()]


def test_the_doctor_has_nothing_to_say_about_what_expired() -> None:
    delivered(1, at=timezone.now() - 8 * DAY)
    expire()
    [line] = said()
    assert "every row has its file" in line


def test_the_doctor_names_an_expired_revision_whose_files_nobody_removes_and_removes_them() -> None:
    revision = delivered(1, at=timezone.now() - 8 * DAY)
    Revision.objects.filter(pk=revision.pk).update(state="expired")
    [_, line] = said()
    assert "1 expired revision with files to be removed" in line
    [finding] = [one for one in about_images() if one.repair is not None]
    assert finding.repair is not None
    with pausing.paused():
        assert "Nothing was removed" in finding.repair()
    assert finding.repair() == "Removed 3 expired images." and on_disk() == []
    assert not images.unfinished().exists() and len(said()) == 1


def test_the_doctor_names_the_files_of_what_expired_that_came_back() -> None:
    """Somebody put an old copy of the folder in place."""
    revision = delivered(1, at=timezone.now() - 8 * DAY)
    expire()
    files_of(revision)
    for image in revision.instances.all():
        os.utime(place_of(image), (0, 0))
    [_, line] = said()
    assert "3 files that should be gone" in line
    [finding] = [one for one in about_images() if one.repair is not None]
    assert finding.repair is not None and "Removed 3 files" in finding.repair()
    assert not any(Path(place_of(image)).exists() for image in revision.instances.all())


def test_the_doctor_still_finds_a_file_that_was_lost() -> None:
    revision = delivered(1, at=timezone.now())
    place_of(revision.instances.all()[0]).unlink()
    assert "1 file of the index gone from disk" in said()[0]


def test_the_doctor_tells_of_retention_that_nobody_looks_after() -> None:
    revision = delivered(1, at=timezone.now() - 3 * DAY)
    [finding] = [one for one in books.examine_movement() if "to settle" in str(one)]
    assert finding.level == "FAIL" and "1 revision to look at for retention" in str(finding)
    Revision.objects.filter(pk=revision.pk).update(look_at=timezone.now())
    assert not any("to settle" in str(one) for one in books.examine_movement())
