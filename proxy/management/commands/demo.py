"""`make demo`: the whole house at work on three studies."""

import os
import socket
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connections
from rich.console import Console

from config import reading
from proxy.management import start
from proxy.management.demo.following import Arrived, Follower
from proxy.management.demo.site import extended
from proxy.management.demo.studies import Sent, all_studies
from proxy.management.demo.tables import before_and_after
from proxy.management.stopping import Told
from proxy.management.supervisor import Child, Service
from proxy.management.teaching import TeachingCommand
from proxy.network.peer import Peer
from proxy.network.scu import echo, send
from proxy.routing import site

PATIENCE = 120.0
ALL_INTERFACES = ("", "0.0.0.0", "::")  # noqa: S104 - to be told apart
QUIET = "3"
"""Seconds after which a study is complete here, unless DICOM_STUDY_TIMEOUT says otherwise."""


class Command(TeachingCommand):
    help = (
        "Start everything, send a CT, an MR and a PET study over real associations, wait until they are "
        "delivered, show what became of them, and keep serving. Exit status 0 only if everything arrived."
    )
    examples = ("demo", "demo --once")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="Stop when everything has arrived.")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        told = Told()
        prepared = prepare_house()
        house = Child(Service.managed("serve"))
        house.start()
        try:
            try:
                self._show(told)
            finally:
                self._announce(prepared)
            if not once:
                self.stdout.write("Serving until Ctrl-C.")
                while not told.wait(0.5):
                    house.look()
        finally:
            house.stop(120)

    def _show(self, told: Told) -> None:
        console = Console(width=150)
        await_house(told)
        with tempfile.TemporaryDirectory(prefix="postern-demo-") as scratch:
            studies = all_studies(Path(scratch))
            for sent in studies:
                self.stdout.write(send_study(sent))
            self.stdout.write("Waiting until they are delivered ...")
            for sent, images in arrivals(told, studies):
                console.print(before_and_after(sent.label, images[0]))
                self.stdout.write(where(sent, images))

    def _announce(self, prepared: start.Prepared) -> None:
        """Also when something failed: the password is not shown a second time."""
        for line in [*start.announce(prepared), f"Web: http://localhost:{settings.API_PORT}/"]:
            self.stdout.write(line)


def prepare_house() -> start.Prepared:
    for port in (settings.DICOM_PORT, settings.API_PORT):
        if _is_open(port):
            raise CommandError(
                f"Port {port} is taken: stop what listens there, or say DICOM_PORT and API_PORT."
            )
    if reading.raw("DICOM_STUDY_TIMEOUT") is None:
        os.environ["DICOM_STUDY_TIMEOUT"] = QUIET
    prepared = start.prepare(admin=True)
    site.apply(extended(site.load_site(), settings.DICOM_AE_TITLE), "demo (console)")
    connections.close_all()
    return prepared


def await_house(told: Told) -> None:
    await_true(told, lambda: echo(peer("DEMO")).ok and _is_open(settings.API_PORT), "Postern did not start")


def send_study(sent: Sent) -> str:
    summary = send(peer(sent.calling_ae), sent.outgoing(), lambda result: None, lambda: True)
    if summary.stored != len(sent.files):
        raise CommandError(f"{sent.label}: only {summary.stored} of {len(sent.files)} images were taken.")
    taken = f"{summary.stored} {sent.label} images"
    return f"{sent.calling_ae} sent {taken} to {settings.DICOM_AE_TITLE}: Success for each."


def arrivals(told: Told, studies: Sequence[Sent]) -> list[tuple[Sent, list[Arrived]]]:
    return [(sent, _arrival(told, sent)) for sent in studies]


def _arrival(told: Told, sent: Sent) -> list[Arrived]:
    uids = [(item.sop_instance_uid, item.path) for item in sent.outgoing()]
    follower = Follower.of(sent.project, uids)

    def is_done() -> bool:
        if reasons := follower.held():
            raise CommandError(f"{sent.label}: held in quarantine: {reasons[0]}")
        images = follower.look()
        return len(images) == len(uids) and all(image.delivered for image in images)

    await_true(told, is_done, f"{sent.label} was not delivered")
    return follower.look()


def await_true(told: Told, true: Callable[[], bool], else_say: str) -> None:
    limit = PATIENCE + float(os.environ.get("DICOM_STUDY_TIMEOUT") or settings.DICOM_STUDY_TIMEOUT)
    end = time.monotonic() + limit
    while not true():
        if told.wait(0.3) or time.monotonic() > end:
            raise CommandError(f"{else_say} within {limit:.0f} s; the logs are in {settings.DICOM_LOG_DIR}.")


def where(sent: Sent, images: Sequence[Arrived]) -> str:
    names = sorted({name for image in images for name in image.destinations})
    folders = [
        one.path for one in site.load_site().destinations if one.name in names and one.kind == "folder"
    ]
    places = ", ".join(str(settings.DATA_DIR / folder) for folder in folders)
    return f"{sent.label}: {len(images)} images delivered to {', '.join(names)}. They lie in {places}.\n"


def peer(calling_ae: str) -> Peer:
    host = settings.DICOM_BIND_ADDRESS
    here = host if host not in ALL_INTERFACES else "127.0.0.1"
    return Peer(settings.DICOM_AE_TITLE, here, settings.DICOM_PORT, calling_ae)


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
