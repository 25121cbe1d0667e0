"""`make demo`: the whole house at work on three studies."""

import os
import socket
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connections
from rich.console import Console

from config import reading
from proxy.backend.models import Standing
from proxy.management import start
from proxy.management.demo.backend.platform import TOKEN, Backend, open_backend, short
from proxy.management.demo.following import Arrived, Follower
from proxy.management.demo.site import extended, withdrawn
from proxy.management.demo.studies import Sent, all_studies
from proxy.management.demo.tables import before_and_after
from proxy.management.stopping import Told
from proxy.management.supervisor import Child, Service
from proxy.management.teaching import TeachingCommand
from proxy.network.peer import Peer
from proxy.network.scu import echo, send
from proxy.routing import site

PATIENCE = 120.0
ACTOR = "demo (console)"
ALL_INTERFACES = ("", "0.0.0.0", "::")  # noqa: S104 - to be told apart
QUIET = "3"
"""Seconds after which a study is complete here, unless DICOM_STUDY_TIMEOUT says otherwise."""


class Command(TeachingCommand):
    help = (
        "Start everything, send a CT, an MR and a PET study over real associations, wait until they are delivered to "
        "folders and to a backend of our own, show what became of them, and keep serving. Exit status 0 only if "
        "everything arrived."
    )
    examples = ("demo", "demo --once")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="Stop when everything has arrived.")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        told = Told()
        refuse_taken_ports()
        with reference_backend() as backend:
            prepared = prepare_house(backend)
            house = Child(Service.managed("serve"))
            house.start()
            try:
                self._demonstrate(told, prepared, backend)
                if not once:
                    self.stdout.write("Serving until Ctrl-C.")
                    while not told.wait(0.5):
                        house.look()
            finally:
                house.stop(120)
                forget_backend(backend)

    def _demonstrate(self, told: Told, prepared: start.Prepared, backend: Backend | None) -> None:
        try:
            self._show(told)
            if backend is not None:
                self.stdout.write(seen_at(backend))
        finally:
            self._announce(prepared)

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


def refuse_taken_ports() -> None:
    for port in (settings.DICOM_PORT, settings.API_PORT):
        if _is_open(port):
            raise CommandError(
                f"Port {port} is taken: stop what listens there, or say DICOM_PORT and API_PORT."
            )


@contextmanager
def reference_backend() -> Iterator[Backend | None]:
    """A backend of our own, whom `serve` finds by its environment; None where ITH_URL names one already."""
    if settings.ITH_URL:
        yield None
        return
    folder = settings.DATA_DIR / "demo-backend"
    with open_backend(folder, configuration=short(), keeps=True) as backend:
        os.environ.pop("ITH_TOKEN_FILE", None)
        os.environ.update(ITH_URL=backend.url, ITH_TOKEN=TOKEN)
        yield backend


def prepare_house(backend: Backend | None) -> start.Prepared:
    if reading.raw("DICOM_STUDY_TIMEOUT") is None:
        os.environ["DICOM_STUDY_TIMEOUT"] = QUIET
    prepared = start.prepare(admin=True)
    wanted = extended(site.load_site(), settings.DICOM_AE_TITLE, backend=backend is not None)
    site.apply(wanted, ACTOR)
    connections.close_all()
    return prepared


def forget_backend(backend: Backend | None) -> None:
    """It ends with us: nothing is to wait for it, and what it said of us is nobody's word any longer."""
    if backend is not None:
        site.apply(withdrawn(site.load_site()), ACTOR)
        Standing.objects.filter(workspace=backend.workspace).delete()


def seen_at(backend: Backend) -> str:
    images = sum(len(one.manifest()["files"]) for one in backend.uploaded.all())
    arrived = f"{len(backend.archives)} archives with {images} images arrived at the reference backend"
    return f"{arrived}: {backend.url}/ shows them while we serve, and they lie in {backend.folder}.\n"


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
