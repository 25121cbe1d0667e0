"""Whom the backend says a token belongs to, as a value. It is a stranger: what it cannot mean counts for nothing.

The backend says who somebody is and which role they have there. What that role may do here is ours to say (`rights`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from proxy.backend import values
from proxy.routing.site.values import WrongValueError

USERS: Final = ("user", "user_info", "current_user")
ROLES: Final = ("role", "roles", "workspace_role", "user_role")
VALID: Final = ("valid", "is_valid", "token_valid")
LONGEST_ROLE: Final = 64
LONGEST_NAME: Final = 128


@dataclass(frozen=True, slots=True)
class BackendUser:
    """As the audit names them: by the backend's id, which is theirs for good, and by what people call them."""

    id: str
    name: str = ""
    roles: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return self.account + (f" ({self.name})" if self.name else "")

    @property
    def account(self) -> str:
        """What stays when the backend calls them something else."""
        return f"backend user {self.id}"


NOT_VALID: Final = "The backend says that this token is not valid."
NOBODY: Final = "The backend accepts the token and does not say whose it is."
LEFT: Final = "The backend says that this user is not active."
ELSEWHERE: Final = "The backend speaks of another proxy than this one."


def read(said: Mapping[str, object], workspace: str, proxy: str) -> BackendUser | str:
    """Or why it is nobody, in a sentence."""
    if any(said.get(one) is False for one in VALID):
        return NOT_VALID
    if not (_is(said.get("id"), proxy) and _is(said.get("workspace_id"), workspace)):
        return ELSEWHERE
    user = next((found for one in USERS if isinstance(found := said.get(one), Mapping)), {})
    id_ = _identifier(user.get("id")) or _identifier(user.get("user_id"))
    if not id_:
        return NOBODY
    if user.get("is_active") is False:
        return LEFT
    spoken = [user.get(one) for one in ROLES] + [said.get("user_role")]
    return BackendUser(id_, _name(user), frozenset(_roles(spoken)))


def role(text: object) -> str:
    """As roles are compared; empty if it cannot be one."""
    if not isinstance(text, str):
        return ""
    word = " ".join(text.split()).lower()
    return word if word.isprintable() and len(word) <= LONGEST_ROLE else ""


def _roles(spoken: Iterable[object]) -> Iterable[str]:
    """A word, an object with a name, or a list of such."""
    for one in spoken:
        for part in one if isinstance(one, list) else [one]:
            word = role(part.get("name") if isinstance(part, Mapping) else part)
            if word:
                yield word


def _name(user: Mapping[str, object]) -> str:
    for one in (user.get("email"), user.get("username")):
        if isinstance(one, str) and one.strip() and one.isprintable() and len(one) <= LONGEST_NAME:
            return one.strip()
    return ""


def _identifier(value: object) -> str:
    try:
        return str(values.identifier(value))
    except WrongValueError:
        return ""


def _is(value: object, ours: str) -> bool:
    """What is not said contradicts nothing."""
    return value is None or _identifier(value) == ours
