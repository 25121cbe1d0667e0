"""How long the files of a revision stay, and why: facts in, `Keep` or `Go` out.

Nothing goes before every destination has acknowledged it and its retention has passed (promise 3). What nobody else
has stays, whatever its age: a study without destinations, one that was given up everywhere, a rejected one. What is
asked here is asked twice: once to choose, and once more under the locks of study and revision, which is what counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from proxy.studies.lifecycle import DELIVERED, EXCLUDED, EXPIRED, REJECTED


@dataclass(frozen=True, slots=True)
class Policy:
    """`by_itself` is False where files are to stay until a person says otherwise."""

    keep_for: timedelta
    by_itself: bool = True
    rejected: bool = False  # a person wants those gone, too, and what was excluded


@dataclass(frozen=True, slots=True)
class Facts:
    """What of a revision decides. A destination that it is bound to and has no delivery for counts as undelivered."""

    state: str
    held: bool = False
    delivered: int = 0  # destinations that have all of it
    undelivered: int = 0  # neither delivered nor given up by a person
    ended_at: datetime | None = None
    committed_until: datetime | None = None  # the last of its images
    coming_home: int = 0  # results of its study that are not at their destination yet
    unproven: bool = False  # released, and its evidence is made of the files


@dataclass(frozen=True, slots=True)
class Keep:
    """The reason is a sentence; `until` is None where time alone changes nothing."""

    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Go:
    since: datetime  # when it was over


Verdict = Keep | Go

GONE = "It has expired."
HELD = "Its study is held; set it free first."
UNKNOWN = "Nobody noted when it was over."
REJECTED_HERE = "It was rejected, so nobody else has it; `expire --rejected` lets it go."
EXCLUDED_HERE = "Its series is excluded, so nobody else has it; `expire --rejected` lets it go."
NOT_OVER = "It is not delivered yet."
NOBODY = "No destination has it."
COMING_HOME = "A result made from it is on its way home."
UNPROVEN = "The evidence of its release is not made yet."
NOT_BY_ITSELF = "CLEANUP_AFTER_UPLOAD is False."
RETENTION = "Its retention has not passed."
COMMITTED = "Its sender was told that we keep it."


def decide(facts: Facts, policy: Policy, now: datetime) -> Verdict:
    if reasons := list(_whatever_its_age(facts, policy)):
        return Keep(reasons[0])
    if facts.ended_at is None:
        return Keep(UNKNOWN)
    over = facts.ended_at + policy.keep_for
    if facts.committed_until is not None and facts.committed_until > max(over, now):
        return Keep(COMMITTED, facts.committed_until)
    return Keep(RETENTION, over) if now < over else Go(facts.ended_at)


def _whatever_its_age(facts: Facts, policy: Policy) -> Iterator[str]:
    if facts.state == EXPIRED:
        yield GONE
    if facts.held:
        yield HELD
    if facts.state == REJECTED and not policy.rejected:
        yield REJECTED_HERE
    if facts.state == EXCLUDED and not policy.rejected:
        yield EXCLUDED_HERE
    if facts.state not in (DELIVERED, REJECTED, EXCLUDED):
        yield NOT_OVER
    if facts.state == DELIVERED and facts.undelivered:
        yield NOT_OVER
    if facts.state == DELIVERED and not facts.delivered:
        yield NOBODY
    if facts.coming_home:
        yield COMING_HOME
    if facts.unproven:
        yield UNPROVEN
    if not policy.by_itself:
        yield NOT_BY_ITSELF
