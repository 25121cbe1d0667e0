"""Who is let in: called AE, calling AE, public and private mode, each with its own reason (PS3.8 9.3.4)."""

import pytest

from proxy.network.door import Caller
from proxy.reception.door import UNKNOWN_CALLED, UNKNOWN_CALLING, judge
from proxy.routing.match import Table, load_table
from proxy.routing.models import Destination, Node, Project, Route

pytestmark = pytest.mark.django_db


@pytest.fixture
def table() -> Table:
    project = Project.objects.create(name="default")
    Route.objects.create(called_ae="DICOMRCV", project=project)
    Route.objects.create(called_ae="ONLY_CT", calling_ae="CT_EAST", project=project)
    Node.objects.create(name="CT_EAST", ae_title="CT_EAST", host="10.0.0.1", port=104, may=["store"])
    Node.objects.create(
        name="MR", ae_title="MR", host="10.0.0.2", port=104, may=["store"], networks=["10.0.0.0/24"]
    )
    return load_table()


@pytest.mark.parametrize(
    ("called", "calling", "address", "public", "private"),
    [
        ("DICOMRCV", "CT_EAST", "10.0.0.1", None, None),
        ("DICOMRCV", "STRANGER", "10.0.0.9", None, UNKNOWN_CALLING),
        ("NOBODY", "CT_EAST", "10.0.0.1", UNKNOWN_CALLED, UNKNOWN_CALLED),
        ("ONLY_CT", "CT_EAST", "10.0.0.1", None, None),
        ("ONLY_CT", "STRANGER", "10.0.0.9", UNKNOWN_CALLING, UNKNOWN_CALLING),
        ("DICOMRCV", "MR", "10.0.0.7", None, None),
        ("DICOMRCV", "MR", "10.0.1.7", None, UNKNOWN_CALLING),
        ("dicomrcv", "CT_EAST", "10.0.0.1", UNKNOWN_CALLED, UNKNOWN_CALLED),
    ],
)
def test_who_is_let_in(
    table: Table, called: str, calling: str, address: str, public: object, private: object
) -> None:
    caller = Caller(called, calling, address, 40000)
    assert judge(table, caller, public=True) == public
    assert judge(table, caller, public=False) == private


def test_each_reason_is_the_standard_s() -> None:
    assert (UNKNOWN_CALLED.result, UNKNOWN_CALLED.source, UNKNOWN_CALLED.reason) == (1, 1, 7)
    assert (UNKNOWN_CALLING.result, UNKNOWN_CALLING.source, UNKNOWN_CALLING.reason) == (1, 1, 3)


def test_a_destination_that_commits_may_call_back_whoever_called_it() -> None:
    archive = Node.objects.create(name="ARCHIVE", ae_title="ARCHIVE", host="10.0.0.5", port=104)
    destination = Destination.objects.create(name="archive", kind="dimse", node=archive, commitment=True)
    back = Caller("POSTERN", "ARCHIVE", "10.0.0.5", 40000)
    assert judge(load_table(), back, public=False, ours="POSTERN") is None
    assert judge(load_table(), back, public=False, ours="OTHER") == UNKNOWN_CALLED
    stranger = Caller("POSTERN", "STRANGER", "10.0.0.5", 40000)
    assert judge(load_table(), stranger, public=True, ours="POSTERN") == UNKNOWN_CALLED
    Destination.objects.filter(pk=destination.pk).update(commitment=False)
    assert judge(load_table(), back, public=False, ours="POSTERN") == UNKNOWN_CALLED
