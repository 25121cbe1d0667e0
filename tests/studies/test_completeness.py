"""Whether a study is here as a whole: what follows from what its PACS says, and from its silence."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import override_settings

from proxy.routing.models import Node, Route
from proxy.studies import completeness, quiet
from proxy.studies.completeness import AskAgain, Heard, Settled, Unheard
from proxy.studies.models import Instance, PacsCount, Revision
from tests.deliveries.builders import a_revision

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATIENCE = timedelta(minutes=10)


def row(**facts: object) -> PacsCount:
    return PacsCount(**{"total": 3, "since": NOW, "next_at": NOW, **facts})


# --- decided ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [Heard(412, 412), Heard(400, 412), Heard(412, 409, not_taken=3), Heard(0, 0), Unheard("It is away.")],
)
def test_what_misses_nothing_and_who_cannot_be_asked_hold_up_nothing(answer: completeness.Answer) -> None:
    assert completeness.decide(answer, row(), PATIENCE, NOW) == Settled()


def test_fewer_here_than_there_are_waited_for_in_growing_pauses() -> None:
    waits = [
        completeness.decide(Heard(4, 3), row(asked=asked), PATIENCE, NOW) for asked in (0, 1, 2, 3, 4, 900)
    ]
    assert waits == [AskAgain(NOW + timedelta(seconds=number)) for number in (5, 10, 20, 40, 60, 60)]


def test_the_last_question_comes_when_patience_ends_and_then_it_goes_on() -> None:
    nearly = NOW + PATIENCE - timedelta(seconds=2)
    assert completeness.decide(Heard(4, 3), row(), PATIENCE, nearly) == AskAgain(NOW + PATIENCE)
    assert completeness.decide(Heard(4, 3), row(), PATIENCE, NOW + PATIENCE) == Settled()
    assert completeness.decide(Heard(4, 3), row(), timedelta(0), NOW) == Settled()


def test_what_was_missing_is_still_missing_while_the_pacs_is_away() -> None:
    known = row(said=4, here=3)
    assert isinstance(completeness.decide(Unheard("It is away."), known, PATIENCE, NOW), AskAgain)
    assert completeness.decide(Unheard("It is away."), known, PATIENCE, NOW + PATIENCE) == Settled()


# --- in the database ------------------------------------------------------------------------------------


@pytest.fixture
def revision(db: None, keys: None) -> Revision:
    made = a_revision(state="receiving")
    node = Node.objects.create(name="PACS", ae_title="PACS", host="127.0.0.1", port=104)
    Route.objects.update(ask_counts=node)
    Revision.objects.update(quiet_at=NOW)
    Instance.objects.update(received_at=NOW - timedelta(seconds=60))
    made.refresh_from_db()
    return made


def state() -> str:
    return Revision.objects.get().state


def asked_about(now: datetime = NOW) -> PacsCount:
    completeness.begin(now)
    [found] = completeness.due(now)
    return found


def test_a_quiet_revision_waits_for_the_answer_and_is_complete_with_it(revision: Revision) -> None:
    assert quiet.close_quiet(NOW) == 0
    assert completeness.hear(asked_about(), Heard(3, 3), NOW)
    assert quiet.close_quiet(NOW) == 1
    assert completeness.sureness(revision.study) == "3 of 3 by PACS"


def test_one_that_is_not_quiet_is_not_asked_about(revision: Revision) -> None:
    assert completeness.begin(NOW - timedelta(seconds=1)) == 0
    assert not PacsCount.objects.exists()


def test_who_is_asked_by_one_is_not_asked_by_another(revision: Revision) -> None:
    mine = asked_about()
    assert completeness.claim(mine, NOW)
    assert not completeness.claim(mine, NOW)
    assert completeness.due(NOW) == []
    assert completeness.due(NOW + completeness.CLAIM) != []


def test_images_that_come_while_it_waits_join_it_and_it_is_asked_anew(revision: Revision) -> None:
    first = asked_about()
    completeness.hear(first, Heard(4, 3), NOW)
    Revision.objects.update(total=4, quiet_at=NOW + timedelta(seconds=60))
    late = NOW + timedelta(seconds=60)
    assert not completeness.hear(first, Heard(3, 3), late) or quiet.close_quiet(late) == 0
    second = asked_about(late)
    assert (second.total, second.since, second.said) == (4, late, None)
    assert not completeness.hear(first, Heard(3, 3), late), (
        "an answer about three images settles nothing of four"
    )
    assert completeness.hear(second, Heard(4, 4), late)
    assert quiet.close_quiet(late) == 1


def test_one_that_was_settled_before_another_image_came_does_not_close(revision: Revision) -> None:
    completeness.hear(asked_about(), Heard(3, 3), NOW)
    Revision.objects.update(total=4)
    assert quiet.close_quiet(NOW) == 0


def test_after_patience_it_goes_on_and_says_what_is_missing(revision: Revision) -> None:
    completeness.hear(asked_about(), Heard(5, 3), NOW)
    assert "3 of 5 by PACS; 2 not here yet" in completeness.waiting_for(PacsCount.objects.get())
    late = NOW + timedelta(seconds=600)
    completeness.hear(asked_about(late), Heard(5, 3), late)
    assert quiet.close_quiet(late) == 1
    assert completeness.sureness(revision.study) == "3 of 5 by PACS; 2 did not come within 600 s"


def test_a_pacs_that_is_away_leaves_quiet_time_alone(revision: Revision) -> None:
    completeness.hear(asked_about(), Unheard("The peer is away."), NOW)
    assert quiet.close_quiet(NOW) == 1
    assert (
        completeness.sureness(revision.study) == "quiet for 60 s; PACS could not say more: The peer is away"
    )


def test_promise_12_nobody_waits_longer_for_whoever_should_ask_than_for_the_pacs(revision: Revision) -> None:
    asked_about()
    late = NOW + PATIENCE + completeness.GRACE
    assert completeness.give_up(late - timedelta(seconds=1)) == 0
    assert completeness.give_up(late) == 1
    assert quiet.close_quiet(late) == 1
    assert completeness.sureness(revision.study).endswith(completeness.UNASKED)


@pytest.mark.parametrize("how", ["unsaid", "retired"])
def test_a_route_that_asks_nobody_any_more_waits_for_nobody(revision: Revision, how: str) -> None:
    asked_about()
    if how == "unsaid":
        Route.objects.update(ask_counts=None)
    else:
        Node.objects.update(retired_at=NOW)
    assert quiet.close_quiet(NOW) == 1
    assert completeness.due(NOW) == []
    assert completeness.sureness(revision.study).startswith("quiet for 60 s")


def test_what_is_of_a_kind_not_taken_here_is_said_and_not_waited_for(revision: Revision) -> None:
    completeness.hear(asked_about(), Heard(5, 3, not_taken=2), NOW)
    assert quiet.close_quiet(NOW) == 1
    assert completeness.sureness(revision.study) == "3 of 5 by PACS; 2 of kinds that are not accepted here"


def test_a_route_without_a_pacs_says_its_quiet_time(revision: Revision) -> None:
    Route.objects.update(ask_counts=None)
    assert completeness.sureness(revision.study) == "it is still arriving" or state() != "receiving"
    quiet.close_quiet(NOW)
    assert completeness.sureness(revision.study) == "quiet for 60 s"


def test_the_latest_count_speaks_for_the_study(revision: Revision) -> None:
    completeness.hear(asked_about(), Heard(5, 3), NOW)
    with override_settings(DICOM_COUNTS_PATIENCE=0):
        late = NOW + timedelta(seconds=5)
        completeness.hear(asked_about(late), Heard(5, 3), late)
    quiet.close_quiet(late)
    second = a_revision(images=2, number=2, state="receiving")
    Revision.objects.filter(pk=second.pk).update(quiet_at=late)
    completeness.hear(asked_about(late), Heard(5, 5), late)
    assert completeness.sureness(revision.study) == "5 of 5 by PACS"
