"""The configuration, as the link and the doctor ask for it: by the same client as deliveries, with less patience."""

from typing import Final

from proxy.deliveries.agents.web import platform
from proxy.deliveries.agents.web.line import LARGEST_ANSWER, Line, Patience
from proxy.deliveries.agents.web.platform import Kind, Said, Trouble
from proxy.deliveries.directions import backend_in_clear, backend_trust

__all__ = ["LARGEST_ANSWER", "Said", "Trouble", "configuration"]

PATIENCE: Final = Patience(connect=5.0, sending=20.0, silence=20.0, answer=60.0)


def configuration(base: str, key: str) -> Said | Trouble:
    """What the backend says about us, or why it says nothing."""
    if in_clear := backend_in_clear():
        return Trouble(Kind.AWAY, in_clear.reason)
    with Line(backend_trust(), lambda: True, platform.AGENT, PATIENCE) as line:
        return platform.configuration(line, base, key)
