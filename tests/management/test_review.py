"""`review`: what a person decides at a console, with the permissions of the web pages."""

import io

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command

from proxy.audit.models import Entry
from proxy.studies.models import Revision, Series, Study
from tests.scene import Scene

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def people(scene: Scene) -> None:
    ada = User.objects.create_user("ada")
    wanted = ["change_revision", "change_series", "change_study"]
    ada.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    User.objects.create_user("intern")


def said(*words: str, who: str = "ada", comment: str = "looked at it") -> str:
    out = io.StringIO()
    given = () if words == ("list",) else ("--as", who, "--comment", comment)
    call_command("review", *words, *given, stdout=out)
    return out.getvalue()


def state() -> str:
    return Revision.objects.get().state


def test_the_list_says_what_waits_and_how_sure_it_is_that_it_is_all(scene: Scene) -> None:
    assert said("list") == "2.25.1 revision 1 (default, * → DICOMRCV): 2 images; quiet for 0 s\n"
    said("reject", "2.25.1")
    assert said("list") == "Nothing waits for review.\n"


def test_approve_reject_and_reconsider(scene: Scene) -> None:
    assert said("reject", "2.25.1") == "Revision 1 (2 images) stays here; the ledger counts it as excluded.\n"
    assert said("reconsider", "2.25.1") == "Revision 1 (2 images) waits for review again.\n"
    assert said("approve", "2.25.1", "--revision", "1") == "Revision 1 (2 images) is released.\n"
    assert state() == "released"
    entry = Entry.objects.order_by("-sequence")[0]
    assert (entry.action, entry.actor, entry.purpose) == ("study.released", "ada", "looked at it")


def test_a_series_is_excluded_and_included_again(scene: Scene) -> None:
    assert (
        said("exclude", "2.25.1.1")
        == "2 images of the series stay here, and so does what comes of it later.\n"
    )
    assert state() == "excluded"
    assert said("include", "2.25.1.1") == "2 images of the series are released.\n"
    assert state() == "released"


def test_what_is_too_late_is_said(scene: Scene) -> None:
    Revision.objects.update(state="delivered")
    assert said("exclude", "2.25.1.1") == (
        "0 images of the series stay here, and so does what comes of it later."
        " 2 are on their way or gone, and are not called back.\n"
    )


def test_hold_and_free(scene: Scene) -> None:
    assert "is held" in said("hold", "2.25.1")
    assert "held" in said("list")
    with pytest.raises(CommandError, match="set it free first"):
        said("approve", "2.25.1")
    assert "goes on" in said("free", "2.25.1")
    with pytest.raises(CommandError, match="Somebody was faster"):
        said("free", "2.25.1")


@pytest.mark.parametrize(
    "decision", ["approve", "reject", "reconsider", "exclude", "include", "hold", "free"]
)
def test_who_may_not_decides_nothing(scene: Scene, decision: str) -> None:
    uid = "2.25.1.1" if decision in ("exclude", "include") else "2.25.1"
    with pytest.raises(CommandError, match=r"intern may not decide this: it takes studies\.change_"):
        said(decision, uid, who="intern")
    with pytest.raises(CommandError, match="no such user"):
        said(decision, uid, who="nobody")
    assert state() == "review"
    assert not Study.objects.get().is_held


def test_what_is_not_there_is_said(scene: Scene) -> None:
    with pytest.raises(CommandError, match="There is no such study"):
        said("approve", "1.2.3")
    with pytest.raises(CommandError, match="There is no such series"):
        said("exclude", "1.2.3")
    with pytest.raises(CommandError, match="Nothing of it is in the state review"):
        said("approve", "2.25.1", "--revision", "2")
    with pytest.raises(CommandError, match="Nothing of it is in the state rejected"):
        said("reconsider", "2.25.1")


def test_without_a_comment_no_series_is_excluded(scene: Scene) -> None:
    with pytest.raises(CommandError, match="Say why"):
        said("exclude", "2.25.1.1", comment="  ")
    assert not Series.objects.get().excluded


def test_where_two_projects_have_one_uid_it_has_to_be_said_which(scene: Scene) -> None:
    study = Study.objects.get()
    project = study.project
    project.pk, project.name = None, "trial"
    project.save()
    Study.objects.create(project=project, uid=study.uid, patient="ANON-B", received_at=study.received_at)
    with pytest.raises(CommandError, match="say which with --project"):
        said("approve", "2.25.1")
    assert said("approve", "2.25.1", "--project", "default") == "Revision 1 (2 images) is released.\n"
