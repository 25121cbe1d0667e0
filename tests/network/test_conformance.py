"""docs/conformance.md against associations with the real listener behind its real door."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast

import pytest
from django.db import DatabaseError
from pydicom.uid import UID_dictionary
from pynetdicom import AE, evt
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.presentation import PresentationContext, build_context, build_role

from proxy.network.acceptor import NOT_EXTENDED
from proxy.network.asking import Asked, Reference, Result
from proxy.network.commitment import call
from proxy.network.contexts import MOST_CONTEXTS, PUSH_MODEL, RETRIEVAL, STUDY_ROOT_GET, VERIFICATION
from proxy.network.door import Caller, Rejection
from proxy.network.requesting import request as ask
from proxy.network.scp import Listener, ListenSettings
from proxy.network.scu import Peer, echo, send
from proxy.reception.door import Reception
from proxy.routing.match import NodeFacts, RouteFacts, SnapshotCache, Table, build_table
from proxy.routing.models import Route
from tests import cast as actors
from tests.docs import marked, reading
from tests.network.conftest import Listen
from tests.network.people import Guest, image, outgoing
from tests.network.strangers import Stranger, request

HERE = "127.0.0.1"
PAGE = marked.parts(reading.text("docs/conformance.md"))
IMPLICIT, EXPLICIT, JPEG_2000 = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90"
CT = "1.2.840.10008.5.1.4.1.1.2"
NO_SUCH_CLASS, NO_SUCH_SYNTAX = 3, 4
Pair = tuple[str, str]


def column(part: str, number: int) -> list[str]:
    return [row[number] for row in marked.rows(PAGE[part])]


CLASSES, SYNTAXES = column("default-classes", 1), column("syntaxes", 1)


class Forgetful:
    """Nobody here counts refusals."""

    def note(self, caller: Caller, rejection: Rejection) -> None: ...


class Pictures:
    """Who may retrieve is what the site says; nothing is asked for here."""

    def admits(self, node: NodeFacts) -> bool:
        return "retrieve" in node.may


def table() -> Table:
    """CT_EAST may store by a route that commits; MR's own route is closed to everybody else; ARCHIVE is a destination
    that commits, and may ask nothing.
    """
    facts = RouteFacts(1, actors.DICOMRCV, "", 1, "default", "basic", "", (), False, Route.STORED)
    closed = RouteFacts(2, "ONLY_MR", "MR", 1, "default", "basic", "", (), False)
    archive = replace(node(actors.ARCHIVE), commits=True)
    return build_table([facts, closed], [node(actors.CT_EAST, "store"), node("READER", "retrieve"), archive])


def node(name: str, *may: str) -> NodeFacts:
    return NodeFacts(
        len(name), name, name, HERE, 104, frozenset(may), "pseudonymous", (), "", frozenset(), None, "", False,
        "success",
    )  # fmt: skip


def door(load: Callable[[], Table] = table) -> Guest:
    """The product's own; what it would ask of a database is not asked for here."""
    rooms: dict[str, Any] = {one.name: None for one in fields(Reception)}
    rooms |= {"cache": SnapshotCache(load), "refusals": Forgetful()}
    rooms |= {"images": Pictures(), "queries": Pictures()}
    return cast(Guest, Reception(**rooms))


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of one listener for all who only ask."""
    listener = Listener(ListenSettings(port=0, bind=HERE), door())
    listener.start()
    yield listener.port
    listener.stop(grace=0.5)


def answered(port: int, pairs: Sequence[Pair], calling: str = actors.CT_EAST) -> dict[Pair, int]:
    """The result for each (abstract syntax, transfer syntax), every one in a context of its own."""
    found: dict[Pair, int] = {}
    for start in range(0, len(pairs), MOST_CONTEXTS):
        batch = pairs[start : start + MOST_CONTEXTS]
        association = asked(port, [build_context(uid, syntax) for uid, syntax in batch], calling)
        answers: list[PresentationContext] = [*association.accepted_contexts, *association.rejected_contexts]
        by_id = {one.context_id: one.result for one in answers}
        found |= {pair: by_id[2 * place + 1] for place, pair in enumerate(batch)}
        association.abort()
    return found


def asked(
    port: int, contexts: list[PresentationContext], calling: str = actors.CT_EAST, extra: Iterable[Any] = ()
) -> Any:
    ae = AE(ae_title=calling)
    association = ae.associate(HERE, port, contexts=contexts, ae_title=actors.DICOMRCV, ext_neg=list(extra))
    assert association.acceptor.primitive.result == 0
    return association


# --- presentation contexts ----------------------------------------------------------------------------


def test_each_class_of_the_table_is_accepted_in_each_transfer_syntax(port: int) -> None:
    pairs = [(uid, syntax) for uid in CLASSES for syntax in SYNTAXES]
    assert len(pairs) > 1_500
    assert set(answered(port, pairs).values()) == {0}


def test_every_other_class_is_refused(port: int) -> None:
    """Also those of query and retrieve, worklist, print ...: whatever PS3.6 calls a SOP Class."""
    others = {uid for uid, entry in UID_dictionary.items() if entry[1] in {"SOP Class", "Meta SOP Class"}}
    others |= {*column("other-classes", 1), *column("never", 1), "1.2.826.0.1.3680043.8.498.4711"}
    pairs = [(uid, IMPLICIT) for uid in sorted(others - {*CLASSES, VERIFICATION, PUSH_MODEL})]
    assert len(pairs) > 250
    assert set(answered(port, pairs).values()) == {NO_SUCH_CLASS}


def test_retrieval_is_for_nodes_that_may_and_the_peer_says_what_it_wants_to_be_given(port: int) -> None:
    """A class that nobody may store here may be given all the same, if the peer selects the role."""
    pairs = [(uid, IMPLICIT) for uid in RETRIEVAL]
    assert set(answered(port, pairs, "READER").values()) == {0}
    ultrasound = "1.2.840.10008.5.1.4.1.1.6.1"
    contexts = [build_context(uid, IMPLICIT) for uid in (STUDY_ROOT_GET, ultrasound, CT)]
    roles = [build_role(ultrasound, scp_role=True), build_role(CT, scu_role=True, scp_role=True)]
    association = asked(port, contexts, "READER", roles)
    assert {str(one.abstract_syntax): (one.as_scu, one.as_scp) for one in association.accepted_contexts} == {
        STUDY_ROOT_GET: (True, False),
        ultrasound: (False, True),
        CT: (True, True),
    }
    association.abort()


def test_further_classes_are_accepted_where_a_site_says_all(listen: Listen) -> None:
    listener, _ = listen(door(), accepted=("all",))
    further = [(uid, IMPLICIT) for uid in column("other-classes", 1)]
    never = [(uid, IMPLICIT) for uid in column("never", 1)]
    assert set(answered(listener.port, further).values()) == {0}
    assert set(answered(listener.port, never).values()) == {NO_SUCH_CLASS}


def test_every_other_transfer_syntax_is_refused(port: int) -> None:
    known = {uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax"}
    others = [*sorted(known - set(SYNTAXES)), "1.2.840.113619.5.2"]
    assert len(others) > 10
    pairs = [(CT, syntax) for syntax in others] + [(VERIFICATION, JPEG_2000), (PUSH_MODEL, JPEG_2000)]
    assert set(answered(port, pairs).values()) == {NO_SUCH_SYNTAX}


@pytest.mark.parametrize("service", [VERIFICATION, PUSH_MODEL])
def test_services_without_images_are_accepted_uncompressed(port: int, service: str) -> None:
    assert set(answered(port, [(service, IMPLICIT), (service, EXPLICIT)]).values()) == {0}


def test_storage_commitment_is_for_nodes(port: int) -> None:
    pairs = [(PUSH_MODEL, IMPLICIT), (CT, IMPLICIT)]
    assert answered(port, pairs, "STRANGER") == {pairs[0]: NO_SUCH_CLASS, pairs[1]: 0}


@pytest.mark.parametrize(
    ("calling", "selected", "agreed"),
    [
        (actors.CT_EAST, (True, False), (True, False)),  # it asks us
        (actors.CT_EAST, (True, True), (True, False)),
        (actors.CT_EAST, (False, True), None),
        (actors.ARCHIVE, (False, True), (False, True)),  # it tells what we asked it
        (actors.ARCHIVE, (True, True), (False, True)),
        (actors.ARCHIVE, (True, False), None),
        ("STRANGER", (False, True), None),
    ],
)
def test_roles_of_storage_commitment_are_what_the_caller_may_be(
    port: int, calling: str, selected: tuple[bool, bool], agreed: tuple[bool, bool] | None
) -> None:
    role = build_role(PUSH_MODEL, scu_role=selected[0], scp_role=selected[1])
    association = asked(port, [build_context(PUSH_MODEL), build_context(VERIFICATION)], calling, [role])
    said = association.acceptor.primitive.user_information
    roles = [(bool(one.scu_role), bool(one.scp_role)) for one in said if not isinstance(one, NOT_EXTENDED)]
    accepted = {str(one.abstract_syntax) for one in association.accepted_contexts}
    association.abort()
    assert roles == ([] if agreed is None else [agreed])
    assert (PUSH_MODEL in accepted) == (agreed is not None)


def test_a_destination_that_commits_calls_back_without_a_route(port: int, settings: Any) -> None:
    settings.DICOM_MODE, settings.DICOM_AE_TITLE = "private", "GATEWAY"
    ae = AE(ae_title=actors.ARCHIVE)
    association = ae.associate(HERE, port, contexts=[build_context(PUSH_MODEL)], ae_title="GATEWAY")
    assert association.is_established
    association.abort()
    assert rejected(port, request(called="GATEWAY")) == "1/1/7"


@pytest.mark.parametrize(
    "order", [[JPEG_2000, IMPLICIT, EXPLICIT], [EXPLICIT, JPEG_2000], ["1.2.3", IMPLICIT]]
)
def test_the_first_known_transfer_syntax_is_taken(port: int, order: list[str]) -> None:
    association = asked(port, [build_context(CT, order)])
    [taken] = association.accepted_contexts
    association.abort()
    assert taken.transfer_syntax == [next(one for one in order if one in SYNTAXES)]


# --- what else is negotiated --------------------------------------------------------------------------


def everything_else() -> list[Any]:
    window, user = AsynchronousOperationsWindowNegotiation(), UserIdentityNegotiation()
    window.maximum_number_operations_invoked = window.maximum_number_operations_performed = 5
    user.user_identity_type, user.primary_field, user.positive_response_requested = 1, b"ada", True
    extended, common = SOPClassExtendedNegotiation(), SOPClassCommonExtendedNegotiation()
    extended.sop_class_uid = common.sop_class_uid = CT
    extended.service_class_application_information = b"\x02\x00\x03\x00\x01\x00"
    common.service_class_uid = "1.2.840.10008.4.2"
    return [window, user, extended, common, build_role(CT, scu_role=False, scp_role=True)]


def test_no_role_window_or_extension_is_answered(port: int) -> None:
    association = asked(port, [build_context(CT)], extra=everything_else())
    said = {type(one) for one in association.acceptor.primitive.user_information}
    [context] = association.accepted_contexts
    association.abort()
    assert (context.as_scu, context.as_scp) == (True, False)
    assert said == {
        MaximumLengthNotification,
        ImplementationClassUIDNotification,
        ImplementationVersionNameNotification,
    }


@pytest.mark.parametrize("size", [4_096, 16_384, 1_048_576])
def test_the_maximum_pdu_and_our_names_are_told(listen: Listen, size: int) -> None:
    listener, _ = listen(door(), max_pdu=size)
    association = asked(listener.port, [build_context(VERIFICATION)])
    acceptor = association.acceptor
    association.abort()
    assert acceptor.maximum_length == size
    assert [acceptor.implementation_class_uid, acceptor.implementation_version_name] == column("identity", 1)


# --- rejections ---------------------------------------------------------------------------------------


def away() -> Table:
    raise DatabaseError


def rejected(port: int, whole: bytes) -> str:
    """The three numbers of the A-ASSOCIATE-RJ."""
    with Stranger(port) as stranger:
        stranger.say(whole)
        kind, body = stranger.hear()
    assert kind == 3
    return "/".join(str(number) for number in body[1:])


def _full(listen: Listen) -> str:
    listener, _ = listen(door(), max_associations=1)
    association = asked(listener.port, [build_context(VERIFICATION)])
    try:
        return rejected(listener.port, request())
    finally:
        association.abort()


def _changed(old: bytes, new: bytes) -> Callable[[Listen], str]:
    whole = request()
    assert whole.count(old) == 1 and len(old) == len(new)
    return lambda listen: rejected(listen(door())[0].port, whole.replace(old, new))


def _called(title: str) -> Callable[[Listen], str]:
    return lambda listen: rejected(listen(door())[0].port, request(called=title))


REJECTIONS: dict[str, tuple[str, Callable[[Listen], str]]] = {
    "no route has the called AE title": ("1/1/7", _called("NOBODY")),
    "no route takes the caller": ("1/1/3", _called("ONLY_MR")),
    "one association too many": ("2/3/2", _full),
    "the backend has set us inactive": (
        "2/1/1",
        lambda listen: rejected(listen(door(lambda: replace(table(), is_closed=True)))[0].port, request()),
    ),
    "the database is away": ("2/3/1", lambda listen: rejected(listen(door(away))[0].port, request())),
    "no application context of DICOM": (
        "1/1/2",
        _changed(b"1.2.840.10008.3.1.1.1", b"1.2.840.10008.3.1.1.2"),
    ),
    "another protocol": ("1/2/2", _changed(request()[:8], request()[:6] + b"\x00\x02")),
}


@pytest.mark.parametrize("why", REJECTIONS)
def test_a_rejection_has_the_numbers_of_the_table(listen: Listen, why: str) -> None:
    numbers, act = REJECTIONS[why]
    assert act(listen) == numbers


def test_a_stranger_is_rejected_in_private_mode_and_a_node_is_not(port: int, settings: Any) -> None:
    settings.DICOM_MODE = "private"
    assert rejected(port, request()) == "1/1/3"
    asked(port, [build_context(VERIFICATION)]).abort()


def test_every_rejection_of_the_table_is_tried() -> None:
    assert set(column("rejections", 0)) == {numbers for numbers, _ in REJECTIONS.values()}


# --- the sender ---------------------------------------------------------------------------------------


@dataclass
class Archive:
    """A peer that takes every storage class, and remembers what it was asked."""

    requests: list[Any] = field(default_factory=list)

    @contextmanager
    def open(self) -> Iterator[Peer]:
        ae = AE(ae_title=actors.ARCHIVE)
        for uid in (CT, VERIFICATION):
            ae.add_supported_context(uid, [IMPLICIT, EXPLICIT])
        ae.add_supported_context(PUSH_MODEL, scu_role=False, scp_role=True)
        server = ae.start_server((HERE, 0), block=False, evt_handlers=[(evt.EVT_REQUESTED, self._note)])
        try:
            yield Peer(actors.ARCHIVE, HERE, server.server_address[1])
        finally:
            server.shutdown()

    def _note(self, event: Any) -> None:
        self.requests.append(event.assoc.requestor.primitive)

    def proposed(self) -> list[tuple[str, list[str]]]:
        [request] = self.requests
        contexts = request.presentation_context_definition_list
        return [
            (str(one.abstract_syntax), [str(syntax) for syntax in one.transfer_syntax]) for one in contexts
        ]

    def extras(self) -> list[Any]:
        [request] = self.requests
        return [item for item in request.user_information if not isinstance(item, NOT_EXTENDED)]


def test_a_delivery_proposes_what_the_page_says(tmp_path: Path) -> None:
    archive = Archive()
    items = [outgoing(image(1), tmp_path, 0), outgoing(image(2), tmp_path, 1, IMPLICIT)]
    with archive.open() as peer:
        send(peer, items, lambda result: None, lambda: True)
    assert archive.proposed() == [(CT, [EXPLICIT]), (CT, [IMPLICIT]), (CT, [EXPLICIT, IMPLICIT])]
    assert archive.extras() == []


def test_an_echo_proposes_what_the_page_says() -> None:
    archive = Archive()
    with archive.open() as peer:
        assert echo(peer).ok
    assert archive.proposed() == [(VERIFICATION, [EXPLICIT, IMPLICIT])]
    assert archive.extras() == []


def test_a_destination_is_asked_to_commit_as_the_page_says() -> None:
    archive = Archive()
    with archive.open() as peer:
        ask(peer, Asked("1.2.3", (Reference(CT, "1.2.3.4"),)), lambda report: 0, lambda: False, 0)
    assert archive.proposed() == [(PUSH_MODEL, [EXPLICIT, IMPLICIT])]
    assert archive.extras() == []


def test_the_result_of_a_commitment_is_told_in_the_role_that_the_page_says() -> None:
    archive = Archive()
    with archive.open() as peer:
        call(peer, Result(1, "1.2.3", (), ()))
    assert archive.proposed() == [(PUSH_MODEL, [EXPLICIT, IMPLICIT])]
    [role] = archive.extras()
    assert (role.sop_class_uid, role.scu_role, role.scp_role) == (PUSH_MODEL, False, True)
