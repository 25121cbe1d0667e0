"""Promise 3 on the side of the sender: we answer for what we hold, for nothing else, and once only."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.utils import timezone

from proxy.deliveries.arrivals import everywhere, judged
from proxy.network.asking import (
    CLASS_CONFLICT,
    DUPLICATE_TRANSACTION,
    NO_SUCH_INSTANCE,
    PROCESSING_FAILURE,
    RESOURCE_LIMITATION,
    SUCCESS,
    Asked,
    Reference,
    Result,
)
from proxy.retrieval import commitments as room
from proxy.retrieval.commitments import Commitments, Facts, ask_again, judge
from proxy.retrieval.models import Commitment
from proxy.routing.match import NodeFacts, load_table
from proxy.routing.models import Destination, Node, Project, Route
from proxy.studies.models import Instance, Revision
from proxy.vault import forget, keyring, rotate
from proxy.vault.models import Memo, Person
from proxy.vault.reidentify import Principal
from tests import cast
from tests.reception.sending import command_for, encode, receive

pytestmark = pytest.mark.django_db(transaction=True)

CT = "1.2.840.10008.5.1.4.1.1.2"
MAY = Principal("ada", lambda _: True)
TRANSACTION = "1.2.826.0.1.3680043.8.498.4711"
HERE = Facts(1, CT, Route.STORED, (1, 0), is_here=True)


@pytest.mark.parametrize(
    ("facts", "arrival", "late", "verdict"),
    [
        (HERE, "", False, SUCCESS),
        (None, "", False, NO_SUCH_INSTANCE),
        (replace(HERE, is_here=False), "", False, NO_SUCH_INSTANCE),
        (replace(HERE, sop_class="1.2.3"), "", False, CLASS_CONFLICT),
        (replace(HERE, commit_when=Route.NEVER), "arrived", False, PROCESSING_FAILURE),
        (replace(HERE, commit_when=Route.DELIVERED), "arrived", False, SUCCESS),
        (replace(HERE, commit_when=Route.DELIVERED), "on its way", False, None),
        (replace(HERE, commit_when=Route.DELIVERED), "on its way", True, PROCESSING_FAILURE),
        (replace(HERE, commit_when=Route.DELIVERED), "given up", False, PROCESSING_FAILURE),
    ],
)
def test_what_we_say_of_one_image(facts: Facts | None, arrival: str, late: bool, verdict: int | None) -> None:
    assert judge(facts, CT, arrival, late) == verdict


@pytest.mark.parametrize(
    ("deliveries", "arrival"),
    [
        ([], "on its way"),
        ([("delivered", b"")], "arrived"),
        ([("delivered", b""), ("waiting", b"\x02")], "arrived"),
        ([("delivered", b""), ("waiting", b"\x01")], "on its way"),
        ([("refused", b"")], "on its way"),
        ([("delivered", b""), ("dropped", b"")], "given up"),
    ],
)
def test_where_an_image_has_arrived(deliveries: list[tuple[str, bytes]], arrival: str) -> None:
    assert judged(deliveries, ordinal=1) == arrival


@dataclass
class House:
    """CT_EAST has sent three images of Ada over a route that commits; somebody else has sent one, too."""

    route: Route
    node: Node
    references: list[Reference]
    foreign: Reference
    arrived: dict[tuple[int, int], str] = field(default_factory=dict)

    def arrivals(self, places: Iterable[tuple[int, int]]) -> Mapping[tuple[int, int], str]:
        return {place: self.arrived.get(place, "on its way") for place in places}

    def ask(self, *references: Reference, transaction: str = TRANSACTION) -> int:
        return self.desk.asked(self.node.pk, Asked(transaction, references or tuple(self.references)))

    def due(self) -> Result | None:
        return self.desk.due_on_association(self.node.pk)

    @property
    def desk(self) -> Commitments:
        return Commitments(self.arrivals)


def sent(route: Route, node: NodeFacts | None, instance: int, patient: cast.Patient = cast.ADA) -> Reference:
    image = cast.ct(
        cast.StudyPlan(patient=patient, number=1 if patient is cast.ADA else 2), instance=instance
    )
    facts = load_table().route_for(route.called_ae, "")
    assert receive(facts, encode(image), command_for(image), node=node).status == 0
    return Reference(str(image.SOPClassUID), str(image.SOPInstanceUID))


@pytest.fixture
def house(data: Path) -> House:
    project = Project.objects.create(name="default")
    route = Route.objects.create(called_ae="DICOMRCV", project=project, commit_when="stored")
    route.destinations.add(Destination.objects.create(name="outbox", kind="folder", path="outbox"))
    nodes = [
        Node.objects.create(name=name, ae_title=name, host="127.0.0.1", port=104, may=["store"])
        for name in ("CT_EAST", "CT_WEST")
    ]
    east, west = (load_table().node_for(node.ae_title, "127.0.0.1") for node in nodes)
    return House(route, nodes[0], [sent(route, east, n) for n in (1, 2, 3)], sent(route, west, 1, cast.BEN))


class TestAsking:
    def test_it_is_durable_and_names_nobody(self, house: House) -> None:
        assert house.ask() == SUCCESS
        row = Commitment.objects.get()
        assert (row.asked, row.state) == (3, "waiting")
        stored = repr(Commitment.objects.values()) + repr(Memo.objects.values_list("wrapped"))
        assert TRANSACTION not in stored
        assert not any(one.sop_instance in stored for one in house.references)

    def test_only_so_many_may_wait(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(room, "MOST_WAITING", 1)
        assert house.ask() == SUCCESS
        assert house.ask(transaction="1.2.3") == RESOURCE_LIMITATION

    def test_nothing_is_kept_without_keys(self, house: House, data: Path) -> None:
        (data.parent / "keys" / "master.keys").unlink()
        with pytest.raises(keyring.KeysMissing):
            house.ask()
        assert not Commitment.objects.exists()
        assert not Memo.objects.exists()

    def test_keys_can_be_rotated_while_it_waits(self, house: House) -> None:
        house.ask()
        rotate.rotate_master_keys("ada")
        rotate.drop_old_master_keys("ada")
        result = house.due()
        assert result is not None and result.transaction == TRANSACTION


class TestTheResult:
    def test_what_is_stored_is_committed_and_kept_for_the_term(
        self, house: House, settings: LazySettings
    ) -> None:
        settings.COMMITMENT_TERM = 11
        house.ask()
        result = house.due()
        assert result is not None
        assert (result.transaction, result.failed) == (TRANSACTION, ())
        assert result.committed == tuple(house.references)
        until = {one.committed_until for one in Instance.objects.filter(node=house.node)}
        assert all(one and one > timezone.now() + timedelta(days=10) for one in until)
        assert Instance.objects.filter(committed_until=None).count() == 1  # the other scanner's

    def test_what_is_not_its_own_is_none_of_its_business(self, house: House) -> None:
        unknown = Reference(CT, "1.2.3.4.5")
        house.ask(house.references[0], house.foreign, unknown)
        result = house.due()
        assert result is not None
        assert result.committed == (house.references[0],)
        assert result.failed == ((house.foreign, NO_SUCH_INSTANCE), (unknown, NO_SUCH_INSTANCE))

    def test_another_class_is_a_conflict(self, house: House) -> None:
        house.ask(replace(house.references[0], sop_class="1.2.840.10008.5.1.4.1.1.4"))
        result = house.due()
        assert result is not None and result.failed[0][1] == CLASS_CONFLICT

    def test_a_transaction_uid_serves_once(self, house: House) -> None:
        house.ask()
        first = house.due()
        assert first is not None
        house.desk.told(first, heard=True)
        assert house.ask() == SUCCESS
        second = house.due()
        assert second is not None
        assert second.committed == ()
        assert {reason for _, reason in second.failed} == {DUPLICATE_TRANSACTION}

    @pytest.mark.parametrize("how", ["file", "expired", "forgotten"])
    def test_promise_3_what_is_gone_is_not_committed(self, house: House, data: Path, how: str) -> None:
        if how == "file":
            for path in (data / "studies").rglob("*.dcm"):
                path.unlink()
        elif how == "expired":
            Revision.objects.update(state="expired")
        else:
            for person in Person.objects.all():
                forget.forget(MAY, person.pseudonym, person.project_id, "asked for it")
        house.ask()
        result = house.due()
        assert result is not None and result.committed == ()
        assert {reason for _, reason in result.failed} == {NO_SUCH_INSTANCE}

    def test_promise_3_retention_that_was_faster_is_told_and_what_is_told_stays(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It expires between our look and our word; and once we gave it, retention sees the term."""
        honest = room._keep_for_the_term

        def late(facts: Sequence[Facts], now: datetime) -> set[int]:
            Revision.objects.update(state="expired")
            return honest(facts, now)

        house.ask()
        with monkeypatch.context() as raced:
            raced.setattr(room, "_keep_for_the_term", late)
            result = house.due()
        assert result is not None and result.committed == ()
        assert {reason for _, reason in result.failed} == {NO_SUCH_INSTANCE}
        assert not Instance.objects.exclude(committed_until=None).exists()

    def test_an_image_that_came_again_is_answered_for_by_the_one_that_is_here(self, house: House) -> None:
        Revision.objects.update(state="expired", files_gone_at=timezone.now())
        east = load_table().node_for("CT_EAST", "127.0.0.1")
        assert sent(house.route, east, 1) == house.references[0]
        house.ask()
        result = house.due()
        assert result is not None and result.committed == (house.references[0],)
        assert len(result.failed) == 2

    def test_a_route_that_never_commits_does_not_for_an_older_request_either(self, house: House) -> None:
        house.ask()
        Route.objects.update(commit_when="never")
        result = house.due()
        assert result is not None and {reason for _, reason in result.failed} == {PROCESSING_FAILURE}


class TestDelivered:
    @pytest.fixture(autouse=True)
    def when_delivered(self, house: House) -> None:
        Route.objects.update(commit_when="delivered")

    def test_it_waits_for_every_image(self, house: House) -> None:
        house.ask()
        assert house.due() is None
        places = Instance.objects.filter(node=house.node).values_list("revision_id", "ordinal")
        house.arrived = dict.fromkeys(list(places)[:2], "arrived")
        assert house.due() is None
        house.arrived = dict.fromkeys(places, "arrived")
        result = house.due()
        assert result is not None and len(result.committed) == 3

    def test_after_our_patience_the_rest_is_refused(self, house: House) -> None:
        house.ask()
        place = Instance.objects.filter(node=house.node).values_list("revision_id", "ordinal")[0]
        house.arrived = {place: "arrived"}
        Commitment.objects.update(until=timezone.now())
        result = house.due()
        assert result is not None
        assert (len(result.committed), len(result.failed)) == (1, 2)

    def test_deliveries_themselves_are_asked(self, house: House) -> None:
        revision = Revision.objects.first()
        assert revision is not None
        assert everywhere([(revision.pk, 0)]) == {(revision.pk, 0): "on its way"}


class TestTelling:
    def test_heard_it_is_over_and_the_vault_forgets_what_was_asked(self, house: House) -> None:
        house.ask()
        result = house.due()
        assert result is not None
        house.desk.told(result, heard=True)
        row = Commitment.objects.get()
        assert (row.state, row.committed) == ("told", 3)
        assert not Memo.objects.exists()
        assert house.due() is None

    def test_while_one_tells_no_other_does(self, house: House) -> None:
        house.ask()
        assert house.due() is not None
        assert house.due() is None
        assert list(house.desk.due_by_call(timezone.now() + timedelta(seconds=60))) == []

    def test_promise_12_who_dies_while_telling_is_followed_by_another(self, house: House) -> None:
        house.ask()
        assert house.due() is not None
        [(row, result)] = house.desk.due_by_call(timezone.now() + room.LEASE * 2)
        assert row.node == house.node and len(result.committed) == 3

    def test_an_asker_that_hung_up_is_called_later_and_later_until_our_patience_ends(
        self, house: House
    ) -> None:
        house.ask()
        assert list(house.desk.due_by_call(timezone.now())) == []  # its association may still stand
        pauses = []
        for _ in range(4):
            [(row, result)] = house.desk.due_by_call(
                timezone.now() + timedelta(days=1) - timedelta(minutes=1)
            )
            house.desk.told(result, heard=False, why="It cannot be reached.")
            row.refresh_from_db()
            pauses.append((row.next_try_at - timezone.now()).total_seconds())
        assert [round(pause / 15) for pause in pauses] == [1, 2, 4, 8]
        Commitment.objects.update(until=timezone.now())
        house.desk.told(result, heard=False, why="It cannot be reached.")
        row.refresh_from_db()
        assert (row.state, row.reason) == ("unheard", "It cannot be reached.")
        assert ask_again(row)
        assert len(list(house.desk.due_by_call(timezone.now()))) == 1
        assert not ask_again(row)
