"""Nothing leaves quarantine, by either door, without a mark."""

from proxy.audit.models import Entry
from proxy.quarantine import decide
from proxy.quarantine.models import HeldItem
from tests.scene import NOW, Scene


def last() -> Entry:
    return Entry.objects.order_by("-sequence")[0]


def test_discarding_says_who_when_and_why(scene: Scene) -> None:
    assert decide.discard(scene.item, "ada", "a test pattern", NOW)
    row = HeldItem.objects.get()
    assert (row.state, row.decided_by, row.decided_at, row.comment) == (
        "discarded",
        "ada",
        NOW,
        "a test pattern",
    )
    assert (last().actor, last().subject, last().purpose) == ("ada", scene.item.uid, "a test pattern")
    assert last().detail == {"decision": "discard", "gate": "burned-in", "item": row.pk}


def test_the_slower_one_hears_false_and_leaves_no_mark(scene: Scene) -> None:
    assert decide.discard(scene.item, "ada")
    before = Entry.objects.count()
    assert not decide.discard(scene.item, "ben")
    assert Entry.objects.count() == before and HeldItem.objects.get().decided_by == "ada"


def test_a_proof_that_it_is_a_duplicate_is_marked_too(scene: Scene) -> None:
    assert decide.is_duplicate(scene.item, "comparison of pixels")
    assert (last().actor, last().detail["decision"]) == ("comparison of pixels", "same")
    before = Entry.objects.count()
    assert not decide.is_duplicate(scene.item, "comparison of pixels")
    assert HeldItem.objects.get().state == "duplicate" and Entry.objects.count() == before


def test_asking_for_a_release_is_marked_and_changes_nothing_by_itself(scene: Scene) -> None:
    decide.ask_release(scene.item, "ada", "only a ruler")
    assert last().detail["decision"] == "release" and HeldItem.objects.get().state == "held"
