"""What the site has said: what cannot work, and what is allowed and still worth knowing."""

from collections.abc import Iterator
from datetime import date

from proxy.management.doctor.findings import Finding, count, fail, ok, warn
from proxy.network.addresses import is_loopback
from proxy.routing.models import Project
from proxy.routing.site import SiteError, export, load_site, read
from proxy.routing.site.recipes import recipe_trouble


def examine_site() -> Iterator[Finding]:
    found = [*_recipes(), *_refused(), *_routes(), *_grants(), *_oracles(), *_outside(), *_strangers()]
    site = load_site()
    parts = f"{count(len(site.routes), 'route')} to {count(len(site.destinations), 'destination')}"
    yield from found or [ok("site", f"{parts}.")]


def _recipes() -> Iterator[Finding]:
    for project in Project.objects.filter(retired_at=None).order_by("name"):
        trouble = recipe_trouble(project.recipe)
        if trouble:
            yield fail(
                "site", f"project {project.name} takes no images, its recipe cannot be used: {trouble}"
            )


def _refused() -> Iterator[Finding]:
    """What stands in the database and `configure` would not take, such as a PACS of wrong settings."""
    try:
        read(export(), recipe_trouble=lambda recipe: None)
    except SiteError as error:
        for trouble in error.troubles:
            yield fail("site", f"{trouble.place}: {trouble.what} Run `export_site`, mend it, `configure`.")


def _routes() -> Iterator[Finding]:
    site = load_site()
    if not site.routes:
        yield fail("site", "there is no route, so every association is rejected; run `configure site.yaml`.")
    for route in site.routes:
        if not route.destinations:
            yield warn("site", f"route {route.name} has no destination; its studies stay here.")


def _grants() -> Iterator[Finding]:
    for node in load_site().nodes:
        if node.grant and date.fromisoformat(node.grant.until) < date.today():
            yield warn("site", f"the grant of node {node.name} ended on {node.grant.until}; it sees nothing.")


def _outside() -> Iterator[Finding]:
    """What such a node stores ends in patients' studies."""
    for node in load_site().nodes:
        if node.outside and not (node.networks or node.certificate):
            yield warn(
                "site",
                f"node {node.name} may put results into patients' studies, and nothing but its AE title says who"
                " calls; give it networks or a certificate.",
            )


def _oracles() -> Iterator[Finding]:
    """Whoever may send an image under any Patient ID, and read what it became, learns the pseudonym of that id."""
    for node in load_site().nodes:
        reads = sorted({"find", "retrieve"} & set(node.may))
        if "store" in node.may and reads and node.view != "identified" and not node.outside:
            yield warn(
                "site",
                f"node {node.name} may store and {' and '.join(reads)} pseudonymously: it could test whether a Patient"
                " ID is known here; give these rights to different nodes.",
            )


def _strangers() -> Iterator[Finding]:
    """Whom we know by a certificate when they call, and by nothing when we do. C-MOVE may name any of them."""
    site = load_site()
    seeing = [node for node in site.nodes if node.view == "identified"]
    moved = any("retrieve" in node.may for node in seeing)
    sent = {one.node for one in site.destinations}
    for node in seeing:
        called = moved or node.name in sent
        if called and node.certificate and node.tls == "off" and not is_loopback(node.host):
            yield warn(
                "site",
                f"node {node.name} shows a certificate when it calls, and we call it without TLS: images with patients'"
                " names go in clear, to whoever answers there; give it `tls: true`.",
            )
