"""Ask a peer what it has: C-FIND as a user, Study Root (PS3.4 C.4.1)."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.dsutils import decode
from pynetdicom.presentation import build_context

from proxy.network import messages
from proxy.network.contexts import PLAIN_SYNTAXES
from proxy.network.conversing import Conversation, Request, Response
from proxy.network.peer import Lost, Peer

STUDY_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
NOT_OFFERED = "The peer does not answer Study Root queries (C-FIND): allow us there."
STATUSES: Final = {
    0xA700: "it is out of resources; ask for less, or later",
    0xA900: "the query does not fit its model",
    0xFE00: "it cancelled the query",
    0x0122: "it does not offer this service",
    0x0124: "it does not allow us to ask: see its list of AE titles",
}

Answer = Mapping[str, tuple[str, ...]]
"""Keyword to values, of what was asked for; what is absent, empty or unreadable has none."""


class Inquiry:
    """An association on which to ask. Raises Lost, always with a sentence that names nobody."""

    def __init__(self, peer: Peer) -> None:
        self._conversation = Conversation(peer, [build_context(STUDY_ROOT_FIND, list(PLAIN_SYNTAXES))])
        if not self._conversation.takes(STUDY_ROOT_FIND):
            self._conversation.close()
            raise Lost(NOT_OFFERED)

    def ask(self, keys: Mapping[str, str | Sequence[str]]) -> Iterator[Answer | None]:
        """Each answer as it comes, None for one that cannot be read. Closing the iterator cancels the query."""
        responses = self._conversation.ask(Request(STUDY_ROOT_FIND, messages.C_FIND_RQ, keys))
        try:
            for response in responses:
                if response.is_pending:
                    yield _read(response, keys)
                elif response.status != 0:
                    raise Lost(refusal(response.status))
        finally:
            responses.close()  # type: ignore[attr-defined]

    def close(self) -> None:
        self._conversation.close()


def refusal(status: int) -> str:
    why = STATUSES.get(status, "it could not process it")
    return f"The peer refused the query (0x{status:04X}): {why}."


def _read(response: Response, keys: Mapping[str, object]) -> Answer | None:
    syntax = UID(response.syntax)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's would quote it
        try:
            found = decode(BytesIO(response.data), syntax.is_implicit_VR, True, syntax.is_deflated)
            found.decode()
        except Exception:  # whatever pydicom stumbles over
            return None
        return {keyword: _values(found, keyword) for keyword in keys} if len(found) else None


def _values(found: Dataset, keyword: str) -> tuple[str, ...]:
    try:
        value = getattr(found, keyword, None)
        every = [value] if value is None or isinstance(value, str | int) else list(value)
        return tuple(text for one in every if one is not None and (text := str(one).strip(" \0")))
    except Exception:  # an element that is no value of its kind
        return ()
