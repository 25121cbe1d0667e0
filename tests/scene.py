"""A small scene for pages and commands: one study in review, one image held, one delivery refused."""

from dataclasses import dataclass
from datetime import UTC, datetime

from proxy.deliveries.models import Delivery
from proxy.quarantine.models import HeldItem
from proxy.routing.models import Destination, Project, Route
from proxy.routing.site import apply, read
from proxy.studies.models import Instance, Revision, Series, Study
from proxy.vault.models import Person
from proxy.vault.pseudonyms import person_for
from tests.cast import ADA

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SITE = """
projects: [{name: default, recipe: basic}]
nodes: [{name: ARCHIVE, ae_title: ARCHIVE, host: 127.0.0.1, port: 4242, may: [find]}]
destinations: [{name: archive, kind: dimse, node: ARCHIVE}, {name: outbox, kind: folder, path: outbox}]
routes: [{called_ae: DICOMRCV, project: default, destinations: [archive, outbox], review: true}]
"""


@dataclass(frozen=True)
class Scene:
    """Ada's study, in review at one route, one image held, one delivery refused."""

    person: Person
    study: Study
    revision: Revision
    delivery: Delivery
    item: HeldItem


def make_scene() -> Scene:
    """Needs a database and keys."""
    apply(read(SITE), "test")
    project, route = Project.objects.get(), Route.objects.get()
    known = person_for(project.pk, "", ADA.id, {"PatientName": ADA.name}, "1.2.3")
    study = Study.objects.create(project=project, uid="2.25.1", patient=known.pseudonym, received_at=NOW)
    revision = Revision.objects.create(
        study=study, route=route, number=1, state="review", opened_at=NOW, quiet_at=NOW, total=2
    )
    revision.destinations.set(Destination.objects.all())
    series = Series.objects.create(study=study, uid="2.25.1.1", modality="CT")
    for number in range(2):
        Instance.objects.create(
            project=project,
            revision=revision,
            series=series,
            ordinal=number,
            uid=f"2.25.1.1.{number}",
            sop_class="1.2.840.10008.5.1.4.1.1.2",
            transfer_syntax="1.2.840.10008.1.2.1",
            path=f"{project.pk}/2.25.1/{number}.dcm",
            size=10,
            header_mac="00",
            bulk_digest="00",
            received_at=NOW,
        )
    delivery = Delivery.objects.create(
        revision=revision,
        destination=Destination.objects.get(name="archive"),
        state="refused",
        reason="It does not accept this SOP Class.",
        next_try_at=NOW,
        total=2,
        created_at=NOW,
    )
    item = HeldItem.objects.create(
        project=project,
        route=route,
        code="burned-in",
        reason="Text may be burned into its pixels.",
        patient=known.pseudonym,
        study_uid="2.25.1",
        uid="2.25.1.1.9",
        transfer_syntax="1.2.840.10008.1.2.1",
        path="1/x.held",
        size=10,
        held_at=NOW,
    )
    return Scene(Person.objects.get(), study, revision, delivery, item)
