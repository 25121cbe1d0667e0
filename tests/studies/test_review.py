"""A person's decisions about studies: one conditional update each, with a mark; the slower one hears False."""

import pytest

from proxy.audit.models import Entry
from proxy.studies import review
from proxy.studies.models import Revision, Study
from tests.scene import NOW, Scene


def marks() -> list[tuple[str, str, str]]:
    rows = Entry.objects.exclude(action="configuration.changed").order_by("sequence")
    return list(rows.values_list("action", "actor", "purpose"))


def state(scene: Scene) -> str:
    return Revision.objects.get(pk=scene.revision.pk).state


def test_approving_releases_now_and_only_once(scene: Scene) -> None:
    assert review.approve(scene.revision, "ada", NOW, "looks right")
    assert not review.approve(scene.revision, "ben", NOW)
    row = Revision.objects.get()
    assert (row.state, row.released_at) == ("released", NOW)
    assert marks() == [("study.released", "ada", "looks right")]


def test_a_rejected_revision_comes_back_to_review(scene: Scene) -> None:
    assert review.reject(scene.revision, "ada", "wrong patient position")
    assert not review.approve(scene.revision, "ada", NOW)
    assert review.reconsider(scene.revision, "ben") and state(scene) == "review"
    assert [mark[0] for mark in marks()] == ["study.rejected", "study.reconsidered"]


@pytest.mark.parametrize("elsewhere", ["receiving", "complete", "released", "delivered", "expired"])
def test_what_is_not_in_review_is_not_decided(scene: Scene, elsewhere: str) -> None:
    Revision.objects.update(state=elsewhere)
    assert not review.approve(scene.revision, "ada", NOW)
    assert not review.reject(scene.revision, "ada")
    assert state(scene) == elsewhere and marks() == []


def test_a_held_study_is_not_approved(scene: Scene) -> None:
    assert review.hold(scene.study, "ada", NOW, "two persons?")
    assert not review.approve(scene.revision, "ada", NOW) and state(scene) == "review"
    assert not review.hold(scene.study, "ben", NOW)
    assert review.set_free(Study.objects.get(), "ben", "one person after all")
    assert not review.set_free(Study.objects.get(), "ben")
    assert review.approve(scene.revision, "ada", NOW)
    assert [mark[:2] for mark in marks()] == [
        ("study.held", "ada"),
        ("study.set-free", "ben"),
        ("study.released", "ada"),
    ]


def test_why_it_was_held_stands_in_the_mark_of_setting_it_free(scene: Scene) -> None:
    review.hold(scene.study, "ada", NOW, "two persons?")
    review.set_free(Study.objects.get(), "ben")
    assert Entry.objects.order_by("-sequence")[0].detail == {"was": "two persons?"}
