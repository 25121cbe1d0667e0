"""The customers of the service: who they are, their keys, their tier."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.core.management.base import CommandError
from django.utils import timezone

from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand, console_user
from proxy.storage.keys import KeysMissing
from proxy.tiers import customers, keys, quota
from proxy.tiers.customers import CannotAdd
from proxy.tiers.keys import Made, TooManyKeys
from proxy.tiers.models import ApiKey, Customer
from proxy.tiers.table import FREE, TIERS


class Command(TeachingCommand):
    help = (
        "Add a customer of the service, list them, make or rotate or revoke a key, give a tier, put one out of force. "
        "A key is shown once, on this console; here only its digest stays. Each of these leaves a mark in the audit. "
        "Keys change, pseudonyms do not: they belong to the customer's project (customer-NAME)."
    )
    examples = (
        "customer add acme --tier pro",
        "customer list",
        "customer key acme --label cluster",
        "customer rotate acme postern-1a2b3c4d --grace-hours 48",
        "customer revoke acme postern-1a2b3c4d",
        "customer tier acme enterprise",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        wishes = parser.add_subparsers(dest="wish", required=True, metavar="WISH")
        wishes.add_parser("list", help="who they are, what they have used this month, their keys")
        made = {name: wishes.add_parser(name, help=about) for name, about in ABOUT.items()}
        for one in made.values():
            one.add_argument("name", help="of the customer")
        made["add"].add_argument("--tier", choices=list(TIERS), default=FREE, help="default: free")
        made["add"].add_argument("--recipe", default="basic", help="of their project (default: basic)")
        made["tier"].add_argument("tier", choices=list(TIERS))
        for name in ("add", "key"):
            made[name].add_argument("--label", default="", help="what the key is for")
        for name in ("rotate", "revoke"):
            made[name].add_argument("prefix", help="how the key begins, as `list` shows it")
        hours = keys.GRACE // timedelta(hours=1)
        made["rotate"].add_argument(
            "--grace-hours", type=int, default=hours, help=f"so long the old key holds (default: {hours})"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        prepare()
        try:
            lines = WISHES[options["wish"]](options, timezone.now())
            self.stdout.write("\n".join(lines))
        except (CannotAdd, TooManyKeys, KeysMissing) as refused:
            raise CommandError(str(refused)) from None


Options = Mapping[str, Any]


def _list(options: Options, now: datetime) -> Iterator[str]:
    rows = list(Customer.objects.select_related("project").order_by("name"))
    if not rows:
        yield "There is no customer."
    for row in rows:
        used, allowed = quota.of_month(row, now).files, row.allows.files
        state = "retired" if row.is_retired else row.tier
        of = "" if allowed is None else f" of {allowed}"
        yield f"{row.name} ({state}): {used}{of} files in {quota.month_of(now)}; project {row.project.name}"
        yield from (f"  {_key_in_words(key)}" for key in keys.accepted(row, now).order_by("pk"))


def _key_in_words(key: ApiKey) -> str:
    label = f" {key.label}" if key.label else ""
    until = f", until {key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else ""
    used = f"used on {key.used_on}" if key.used_on else "never used"
    return f"{key}{label}: {used}{until}"


def _add(options: Options, now: datetime) -> Iterator[str]:
    made = customers.add(options["name"], console_user(), now, tier=options["tier"], recipe=options["recipe"])
    yield f"{made.name} is a customer now ({made.tier}), with the project {made.project.name}."
    yield from _shown(keys.make(made, console_user(), now, options["label"][:64]))


def _key(options: Options, now: datetime) -> Iterator[str]:
    yield from _shown(keys.make(_customer(options), console_user(), now, options["label"][:64]))


def _rotate(options: Options, now: datetime) -> Iterator[str]:
    hours = options["grace_hours"]
    if not 0 <= hours <= keys.LONGEST_GRACE // timedelta(hours=1):
        raise CommandError("The time of grace is 0 to 720 hours.")
    made = keys.rotate(_one_key(options, now), console_user(), now, timedelta(hours=hours))
    if made is None:
        raise CommandError("This key was rotated before; it ends by itself.")
    yield from _shown(made)
    yield f"The old one is accepted for {hours} hours yet."


def _revoke(options: Options, now: datetime) -> Iterator[str]:
    key = _one_key(options, now)
    if not keys.revoke(key, console_user(), now):
        raise CommandError("Somebody was faster.")
    yield f"{key} is refused from now on."


def _tier(options: Options, now: datetime) -> Iterator[str]:
    customer = _customer(options)
    changed = customers.give(customer, options["tier"], console_user(), now)
    customer.refresh_from_db()
    if not changed:
        yield "It is so already."
    yield f"{customer.name} is {customer.tier} now."
    if customer.tier != options["tier"]:
        yield "What they pay for allows more than what you give."


def _retire(options: Options, now: datetime) -> Iterator[str]:
    if not customers.retire(_customer(options), console_user(), now):
        raise CommandError("They are out of force already.")
    yield "Their keys are refused; images, project and pseudonyms stay."


def _reinstate(options: Options, now: datetime) -> Iterator[str]:
    if not customers.reinstate(_customer(options), console_user()):
        raise CommandError("They are in force.")
    yield "Their keys are accepted again."


def _customer(options: Options) -> Customer:
    row = Customer.objects.filter(name=options["name"]).first()
    if row is None:
        raise CommandError("There is no such customer.")
    return row


def _one_key(options: Options, now: datetime) -> ApiKey:
    prefix = options["prefix"].rstrip("…")
    rows = list(keys.accepted(_customer(options), now).filter(prefix=prefix).select_related("customer")[:2])
    if len(rows) != 1:
        raise CommandError("There is no such key; `list` shows how each begins.")
    return rows[0]


def _shown(made: Made) -> Iterator[str]:
    yield f"The key, shown once: {made.secret}"


ABOUT: Final = {
    "add": "a new customer with a project and a first key",
    "key": "one more key",
    "rotate": "a new key in the place of one, which holds for a while yet",
    "revoke": "refuse a key from now on",
    "tier": "give a tier; what is paid for may be more",
    "retire": "out of force: all keys are refused, nothing is deleted",
    "reinstate": "in force again",
}
WISHES: Final[Mapping[str, Callable[[Options, datetime], Iterator[str]]]] = {
    "list": _list,
    "add": _add,
    "key": _key,
    "rotate": _rotate,
    "revoke": _revoke,
    "tier": _tier,
    "retire": _retire,
    "reinstate": _reinstate,
}
