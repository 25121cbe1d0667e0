"""Ask a peer what it has: C-FIND as a user (PS3.4 C.4.1)."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.dsutils import decode

from proxy.network import messages, roots
from proxy.network.conversing import Conversation, Request, Response
from proxy.network.peer import Lost, Peer

NOT_OFFERED = "The peer answers no queries (C-FIND), neither Study Root nor Patient Root: allow us there."
BY_PATIENT = " It offers Patient Root only, and may answer to none that names no patient: say one."
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
        self._conversation = Conversation(peer, roots.contexts(roots.FINDING))
        self._root = roots.offered(self._conversation, roots.FINDING)
        if not self._root:
            self._conversation.close()
            raise Lost(NOT_OFFERED)

    @property
    def is_by_patient(self) -> bool:
        """Whether what is asked for has to name the patient."""
        return self._root in roots.PATIENT_ROOTS

    def ask(self, keys: Mapping[str, str | Sequence[str]]) -> Iterator[Answer | None]:
        """Each answer as it comes, None for one that cannot be read. Closing the iterator cancels the query."""
        asked = roots.fitted(self._root, keys)
        responses = self._conversation.ask(Request(self._root, messages.C_FIND_RQ, asked))
        try:
            for response in responses:
                if response.is_pending:
                    yield _read(response, keys)
                elif response.status != 0:
                    hint = BY_PATIENT if roots.lacks_patient(self._root, keys) else ""
                    raise Lost(refusal(response.status) + hint)
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
