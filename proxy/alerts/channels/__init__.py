"""Ways to tell a person. Each has a file of the same shape: is it set, where does it lead, tell this."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from proxy.alerts.channels import mail, webhook
from proxy.alerts.channels.outcomes import NotTold

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Channel:
    """`place` says in words where it leads, without secrets; empty: it is not set."""

    name: str
    place: Callable[[], str]
    tell: Callable[[Body], NotTold | None]


CHANNELS: Final = (
    Channel("mail", mail.place, mail.tell),
    Channel("webhook", webhook.place, webhook.tell),
)


def in_force() -> list[Channel]:
    return [one for one in CHANNELS if one.place()]


__all__ = ["CHANNELS", "Body", "Channel", "NotTold", "in_force"]
