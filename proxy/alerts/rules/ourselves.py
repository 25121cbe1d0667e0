"""Can alerts be told at all?"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, Q

from proxy.alerts.findings import HOUR, MINUTE, Finding, Rule, counted
from proxy.alerts.lifecycle import CLAIMED, GIVEN_UP, WAITING
from proxy.alerts.models import Notice

LATE: Final = timedelta(hours=1)
LATELY: Final = timedelta(days=1)


def unheard(now: datetime) -> Iterator[Finding]:
    """Told on the other channel, if there is one, and in the admin."""
    late = Q(state__in=[WAITING, CLAIMED], made_at__lt=now - LATE)
    lost = Q(state=GIVEN_UP, made_at__gte=now - LATELY)
    rows = Notice.objects.filter(late | lost).order_by()
    for channel, many in rows.values_list("channel").annotate(notices=Count("pk")):
        yield Finding(channel, f"{counted(many, 'notice')} could not be told on it.", many)


RULES: Final = (
    Rule(
        "channel-silent",
        "alerts cannot be told",
        "`alerts --test` tries each channel now and says what is wrong; the admin's page Notices has the reasons."
        " There, what was given up can be tried again.",
        unheard,
        every=5 * MINUTE,
        calm=24 * HOUR,
    ),
)

BLIND: Final = Rule(
    "blind",
    "a rule cannot look",
    "Nothing is known of what it watches, and its alerts stay as they were. See the log of `work`; `doctor` looks at"
    " the same things.",
    lambda now: (),
    patience=10 * MINUTE,
    calm=24 * HOUR,
)
"""What `looking.py` says of a rule that cannot look."""
