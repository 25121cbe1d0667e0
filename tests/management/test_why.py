"""`why` says in a sentence where a study is and what to do; `ledger` and `verify_audit` end with 1 when wrong."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from proxy.audit.models import Entry, Head
from proxy.deid import identifiers
from proxy.deliveries.models import Delivery
from proxy.quarantine.models import HeldItem
from proxy.routing.models import Destination
from proxy.studies.models import Instance, Revision, Study
from proxy.vault import seals
from proxy.vault.pseudonyms import known_by
from tests.scene import NOW, Scene
from tests.unguarded import unguard

NEVER_NOW = [f"{timezone.now() + timedelta(days=3):%a} 00:00-24:00"]
ORIGINAL = "1.2.826.0.1.3680043.10.1561.7.7"


def run(*words: str) -> tuple[str, int]:
    out = StringIO()
    try:
        call_command(*words, stdout=out, stderr=out)
    except SystemExit as end:
        return out.getvalue(), int(str(end.code))
    return out.getvalue(), 0


def rename(scene: Scene) -> str:
    """Give the scene's study the pseudonymous UID that belongs to ORIGINAL."""
    uid = identifiers.map_uid(known_by(scene.person).uid_key, ORIGINAL)
    Study.objects.update(uid=uid)
    HeldItem.objects.update(study_uid=uid)
    return uid


class TestWhy:
    def test_each_destination_has_its_sentence(self, scene: Scene) -> None:
        said, code = run("why", "2.25.1")
        assert code == 0
        assert f"Study 2.25.1 (project default, {scene.person.pseudonym}):" in said
        assert "1 image is in quarantine (burned-in): Text may be burned into its pixels." in said
        assert "archive refused Revision 1 (2 images), 0 of 2 acknowledged" in said
        assert "Revision 1 (2 images) waits for review. Approve or reject it" in said

    def test_destinations_come_in_the_order_of_their_names(self, scene: Scene) -> None:
        said, _ = run("why", "2.25.1")
        assert said.index("archive refused") < said.index("waits for review")

    def test_one_destination_alone(self, scene: Scene) -> None:
        said, _ = run("why", "2.25.1", "archive")
        assert "archive refused" in said and "waits for review" not in said

    def test_a_destination_that_does_not_exist_is_named(self, scene: Scene) -> None:
        with pytest.raises(CommandError, match="there are: archive, outbox"):
            run("why", "2.25.1", "archve")

    def test_an_unknown_uid_is_said_and_leaves_no_mark(self, scene: Scene) -> None:
        before = Entry.objects.count()
        said, code = run("why", ORIGINAL)
        assert code == 1 and "say why you ask with --purpose" in said
        assert Entry.objects.count() == before

    def test_an_original_uid_is_looked_up_with_a_mark(self, scene: Scene) -> None:
        uid = rename(scene)
        seals.keep_pairs(seals.pair_rows(known_by(scene.person), {uid: ("study", ORIGINAL)}))
        said, code = run("why", ORIGINAL, "--purpose", "the ward misses it")
        assert code == 0 and f"Study {uid}" in said and ORIGINAL not in said
        entry = Entry.objects.order_by("-sequence")[0]
        assert (entry.action, entry.subject, entry.purpose) == (
            "identity.pseudonym-looked-up",
            uid,
            "the ward misses it",
        )

    def test_promise_8_an_original_uid_need_not_stand_on_the_command_line(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Others see the list of processes, and a shell keeps its history."""
        uid = rename(scene)
        seals.keep_pairs(seals.pair_rows(known_by(scene.person), {uid: ("study", ORIGINAL)}))
        monkeypatch.setattr("sys.stdin", StringIO(f" {ORIGINAL}\n"))
        said, code = run("why", "-", "archive", "--purpose", "the ward misses it")
        assert code == 0 and f"Study {uid}" in said and ORIGINAL not in said
        assert "archive refused" in said and "waits for review" not in said

    def test_standard_input_that_names_no_study_is_said(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.stdin", StringIO("\n"))
        with pytest.raises(CommandError, match="no Study Instance UID on standard input"):
            run("why", "-", "--purpose", "the ward misses it")

    def test_a_study_in_quarantine_alone_is_found_by_its_original_uid(self, scene: Scene) -> None:
        uid = rename(scene)
        Delivery.objects.all().delete()
        Instance.objects.all().delete()
        Revision.objects.all().delete()
        Study.objects.first().series.all().delete()  # type: ignore[union-attr]
        Study.objects.all().delete()
        said, code = run("why", ORIGINAL, "--purpose", "the ward misses it")
        assert code == 0 and f"Study {uid} (project default):" in said and "in quarantine" in said

    def test_who_has_looked_behind_too_many_is_told_so(self, scene: Scene, settings: Settings) -> None:
        settings.IDENTITY_PERSONS_PER_HOUR = 1
        run("why", "1.2.3.4", "--purpose", "the ward misses it")
        with pytest.raises(CommandError, match="1 persons within an hour are the limit"):
            run("why", ORIGINAL, "--purpose", "the ward misses it")

    def test_an_original_uid_that_never_came_is_said_and_marked(self, scene: Scene) -> None:
        said, code = run("why", "1.2.3.4", "--purpose", "the ward misses it")
        assert code == 1 and "Check the AE title" in said
        assert Entry.objects.order_by("-sequence")[0].subject == "nothing"

    @pytest.mark.parametrize(
        ("revision", "delivery", "sentence"),
        [
            ({"state": "receiving"}, None, "is being received; it is complete at"),
            ({"state": "complete"}, None, "is complete and not released yet. Wait."),
            ({"state": "rejected"}, None, "was rejected by a person. Reconsider"),
            ({"state": "expired"}, None, "Send it again from its source."),
            ({"state": "released"}, None, "is released and has no delivery to archive yet."),
            ({}, {"state": "delivered", "acknowledged": 2}, "is at archive: 2 of 2 acknowledged."),
            (
                {"state": "expired"},
                {"state": "delivered"},
                "Its files have expired here. Nothing needs to be done.",
            ),
            ({}, {"state": "dropped", "acknowledged": 1}, "given up by a person, 1 of 2 acknowledged."),
            ({}, {"state": "claimed"}, "is being sent to archive: 0 of 2 acknowledged. Wait."),
            ({}, {"state": "claimed", "late": True}, "Its worker fell silent at"),
            ({}, {"state": "waiting"}, "waits for archive, 0 of 2 acknowledged; it is its turn. Wait."),
            (
                {},
                {"state": "waiting", "attempts": 3, "later": True},
                "attempt 3 failed: No answer. It is tried",
            ),
        ],
    )
    def test_every_state_has_a_sentence(
        self, scene: Scene, revision: dict[str, str], delivery: dict[str, object] | None, sentence: str
    ) -> None:
        now = timezone.now()
        Revision.objects.update(quiet_at=now + timedelta(seconds=20), **revision)
        if delivery is None:
            Delivery.objects.all().delete()
        else:
            late = timedelta(seconds=-5) if delivery.pop("late", False) else timedelta(seconds=60)
            next_try = now + timedelta(seconds=60) if delivery.pop("later", False) else now
            facts = {"reason": "No answer", "lease_until": now + late, "next_try_at": next_try}
            Delivery.objects.update(**facts, **delivery)
        assert sentence in run("why", "2.25.1", "archive")[0]

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"paused_at": NOW}, "a person paused this destination. Resume it"),
            ({"retired_at": NOW}, "this destination is retired. Reinstate it"),
            ({"rests_until": NOW.replace(year=2100)}, "it rests until 2100-03-01 12:00:00 UTC: It does not"),
            (
                {"rests_until": NOW.replace(year=2100), "trouble": "The mount is away."},
                "it rests until 2100-03-01 12:00:00 UTC: The mount is away. It is asked again by itself",
            ),
            ({"failures": 3, "rests_until": NOW}, "failed 3 times in a row, and is asked whether it answers"),
            ({"windows": NEVER_NOW}, "outside the hours of this destination"),
            (
                {"spent_until": NOW.replace(year=2100), "images_per_minute": 60, "megabytes_per_minute": 9},
                "it takes 60 images and 9 MB a minute; the next go at 2100-03-01 12:00:00 UTC. Wait.",
            ),
        ],
    )
    def test_a_destination_that_stands_still_is_why(
        self, scene: Scene, changes: dict[str, object], sentence: str
    ) -> None:
        Delivery.objects.update(state="waiting")
        Destination.objects.filter(name="archive").update(**changes)
        assert sentence in run("why", "2.25.1", "archive")[0]

    def test_how_many_go_before_it_is_said(self, scene: Scene) -> None:
        mine = Delivery.objects.get(destination__name="archive")
        Delivery.objects.filter(pk=mine.pk).update(state="waiting", next_try_at=NOW, priority=2)
        for number, before in ((8, "1 other goes"), (9, "2 others go")):
            revision = Revision.objects.create(
                study=scene.study, route=scene.revision.route, number=number, state="released",
                opened_at=NOW, quiet_at=NOW, total=1,
            )  # fmt: skip
            Delivery.objects.create(
                revision=revision, destination=mine.destination, total=1, next_try_at=NOW, created_at=NOW
            )
            said, _ = run("why", "2.25.1", "archive")
            assert f"0 of 2 acknowledged; {before} before it. Wait." in said

    def test_a_held_study_is_said_first(self, scene: Scene) -> None:
        Study.objects.update(held_at=NOW, held_reason="Two persons in one study")
        assert "The study is held since" in run("why", "2.25.1")[0].splitlines()[1]

    @pytest.mark.parametrize("state", ["complete", "released"])
    def test_nothing_else_is_advised_while_a_study_is_held(self, scene: Scene, state: str) -> None:
        Study.objects.update(held_at=NOW, held_reason="Two persons in one study")
        Delivery.objects.update(state="waiting")
        Revision.objects.update(state=state)
        said, _ = run("why", "2.25.1")
        assert said.count("Set the study free first.") == 2 and "manage.py work" not in said

    def test_a_study_of_a_route_without_destinations_stays(self, scene: Scene) -> None:
        Delivery.objects.all().delete()
        scene.revision.destinations.clear()
        Revision.objects.update(state="released")
        assert "its route has no destination." in run("why", "2.25.1")[0]


class TestTheLedger:
    def test_books_that_balance_end_with_0(self, scene: Scene) -> None:
        said, code = run("ledger")
        assert code == 0 and said.splitlines()[0].split() == [
            *("destination", "received", "delivered", "excluded", "held", "in", "flight", "committed"),
            *("expired", "difference"),
        ]

    def test_a_difference_ends_with_1(self, scene: Scene) -> None:
        Delivery.objects.all().delete()
        Revision.objects.update(state="released")
        said, code = run("ledger")
        assert code == 1 and "The books do not balance" in said

    def test_json_holds_the_same_figures(self, scene: Scene) -> None:
        lines = {line["destination"]: line for line in json.loads(run("ledger", "--json")[0])}
        assert lines["archive"]["received"] == 2 and lines["archive"]["difference"] == 0


class TestTheAudit:
    def test_a_whole_chain_ends_with_0(self, scene: Scene) -> None:
        said, code = run("verify_audit")
        assert code == 0 and "The audit chain is whole" in said

    def test_after_a_damaged_head_a_person_carries_on_and_the_chain_says_so(self, scene: Scene) -> None:
        Head.objects.update(mac="0" * 64)
        assert run("verify_audit")[1] == 1
        run("verify_audit", "--carry-on", "the disk was replaced")
        entry = Entry.objects.order_by("-sequence")[0]
        assert (entry.action, entry.purpose) == ("audit.continued-after-damage", "the disk was replaced")
        assert entry.actor.endswith("(console)")
        with pytest.raises(CommandError, match="is whole"):
            run("verify_audit", "--carry-on", "again")

    def test_a_changed_entry_ends_with_1_and_is_named(self, scene: Scene) -> None:
        unguard()
        Entry.objects.filter(sequence=1).update(purpose="none")
        said, code = run("verify_audit", "--json")
        assert code == 1 and json.loads(said)["findings"] == ["Entry 1 was changed after being written."]
