"""The site file: read with its line numbers, refused as a whole or believed as a whole."""

from pathlib import Path

import pytest
from django.conf import LazySettings

from proxy.routing.site import DestinationSpec, GrantSpec, NodeSpec, ProjectSpec, RouteSpec, Site, SiteError
from proxy.routing.site.reading import read as read_file
from proxy.routing.site.writing import dump

EXAMPLE = """\
projects: [{name: default, recipe: basic}]
nodes:
  - {name: CT_EAST, ae_title: CT_EAST, host: 127.0.0.1, port: 11104, may: [store]}
  - {name: ARCHIVE, ae_title: ARCHIVE, host: 127.0.0.1, port: 4242, may: [find, retrieve], view: pseudonymous}
destinations:
  - {name: research-pacs, kind: dimse, node: ARCHIVE}
  - {name: outbox, kind: folder, path: outbox}
routes:
  - {called_ae: DICOMRCV, project: default, destinations: [research-pacs, outbox]}
"""
IDENTIFIED = """\
projects: [{name: default}]
nodes:
  - {name: CLIN, ae_title: CLIN, host: pacs.example, port: 104, may: [store, find, retrieve],
     view: identified, networks: [127.0.0.1/32], projects: [default],
     grant: {purpose: treatment, until: 2030-01-01}}
"""


def read(text: str) -> Site:
    return read_file(text, recipe_trouble=lambda recipe: None)


def errors(text: str) -> list[str]:
    with pytest.raises(SiteError) as caught:
        read(text)
    return caught.value.sentences


def test_the_example_of_the_readme_is_read() -> None:
    assert read(EXAMPLE) == Site(
        projects=(ProjectSpec("default", "basic"),),
        nodes=(
            NodeSpec("CT_EAST", "CT_EAST", "127.0.0.1", 11104, ("store",)),
            NodeSpec("ARCHIVE", "ARCHIVE", "127.0.0.1", 4242, ("find", "retrieve")),
        ),
        destinations=(
            DestinationSpec("research-pacs", "dimse", node="ARCHIVE"),
            DestinationSpec("outbox", "folder", path="outbox"),
        ),
        routes=(RouteSpec("DICOMRCV", "default", destinations=("outbox", "research-pacs")),),
    )


def test_an_identified_node_is_read_with_its_grant() -> None:
    (node,) = read(IDENTIFIED).nodes
    assert node.view == "identified" and node.networks == ("127.0.0.1/32",)
    assert node.grant == GrantSpec("treatment", "2030-01-01")


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "nodes:\n", "projects: []\nroutes: ~\n"])
def test_an_empty_file_is_an_empty_site(text: str) -> None:
    assert read(text) == Site()


def test_all_errors_are_said_at_once_with_file_line_and_place() -> None:
    text = EXAMPLE.replace("port: 11104", "port: many").replace("node: ARCHIVE", "node: ARCHIV")
    text = text.replace("project: default", "projct: default").replace("may: [find,", "may: [find, delete,")
    assert errors(text) == [
        "site.yaml:3: nodes[0].port: give a whole number from 1 to 65535.",
        "site.yaml:4: nodes[1].may[1]: choose one of store, find, retrieve.",
        "site.yaml:6: destinations[0].node: nodes has no 'ARCHIV'; did you mean ARCHIVE?",
        "site.yaml:9: routes[0]: unknown key 'projct'; did you mean project?",
        "site.yaml:9: routes[0]: project is missing.",
    ]


def test_a_node_with_troubles_of_its_own_is_still_known_to_destinations() -> None:
    assert errors(EXAMPLE.replace("port: 4242", "port: 0")) == [
        "site.yaml:4: nodes[1].port: give a whole number from 1 to 65535."
    ]


def test_the_line_is_that_of_the_value() -> None:
    text = "nodes:\n  - name: A\n    ae_title: A\n    host: h\n    port: 1\n"
    text += "    networks:\n      - 10.0.0.1/8\n"
    assert errors(text) == [
        "site.yaml:7: nodes[0].networks[0]: this address is not where a network begins;"
        " did you mean 10.0.0.0/8?"
    ]


@pytest.mark.parametrize("title", ["NO", "0012", "1e3", "null", "a b", "X" * 16, "~"])
def test_an_ae_title_is_text_whatever_yaml_makes_of_it(title: str) -> None:
    quoted = f'"{title}"' if title in {"null", "~"} else title
    (node,) = read(f"nodes: [{{name: A, ae_title: {quoted}, host: h, port: 104}}]").nodes
    assert node.ae_title == title


@pytest.mark.parametrize("title", ['""', '"   "', "X" * 17, "'A\\B'", '"A\\tB"', "Ä"])
def test_an_ae_title_follows_the_rules_of_dicom(title: str) -> None:
    (sentence,) = errors(f"nodes: [{{name: A, ae_title: {title}, host: h, port: 104}}]")
    assert sentence.endswith("an AE title has 1 to 16 printable ASCII characters and no backslash.")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ((", networks", ", nets"), "unknown key 'nets'; did you mean networks?"),
        (("networks: [127.0.0.1/32], ", ""), "the identified view needs a certificate or networks"),
        (("127.0.0.1/32", "0.0.0.0/0"), "the identified view needs a fixed network"),
        (("projects: [default], ", ""), "the identified view needs a list of projects."),
        ((", grant: {purpose: treatment, until: 2030-01-01}", ""), "needs a grant with purpose and until."),
        (("purpose: treatment, ", ""), "nodes[0].grant: purpose is missing."),
        (("2030-01-01", "tomorrow"), "nodes[0].grant.until: give a day as 2030-01-31."),
        (("view: identified", "view: pseudonymous"), "a grant belongs to view: identified."),
        (("projects: [default], ", "projects: [other], "), "projects has no 'other'; known: default."),
    ],
)
def test_an_identified_view_needs_proof_projects_and_a_grant(change: tuple[str, str], sentence: str) -> None:
    text = IDENTIFIED.replace(",\n     ", ", ").replace(*change)
    assert any(sentence in one for one in errors(text)), errors(text)


def test_a_certificate_serves_in_place_of_networks() -> None:
    text = IDENTIFIED.replace("networks: [127.0.0.1/32]", "certificate: 'CN=clin,O=Example'")
    assert read(text).nodes[0].certificate == "CN=clin,O=Example"


@pytest.mark.parametrize(
    ("said", "tls"), [("true", "on"), ("on", "on"), ("no", "off"), ("'off'", "off"), ("any-name", "any-name")]
)
def test_a_node_is_called_over_tls_as_said(said: str, tls: str) -> None:
    [node] = read(f"nodes: [{{name: A, ae_title: A, host: h, port: 104, tls: {said}}}]").nodes
    assert node.tls == tls


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ("tls: maybe", "nodes[0].tls: say true, false or any-name."),
        ("quirks: [small]", "nodes[0].quirks[0]: choose one of small-pdu, one-image-per-association, "),
        ("quirks: small-pdu", "nodes[0].quirks: this must be a list."),
    ],
)
def test_what_cannot_be_meant_about_a_node_is_said(field: str, sentence: str) -> None:
    found = errors(f"nodes: [{{name: A, ae_title: A, host: h, port: 104, {field}}}]")
    assert any(sentence in one for one in found), found


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{name: x, kind: dimse}", "a dimse destination needs node."),
        ("{name: x, kind: folder}", "a folder destination needs path."),
        ("{name: x, kind: backend, url: https://a.example}", "a backend destination has no url."),
        ("{name: x, kind: backend, secret: DESTINATION_X}", "a backend destination has no secret."),
        ("{name: x, kind: backend, key: k.pem}", "a key belongs to a certificate."),
        ("{name: x, kind: ftp}", "choose one of backend, dicomweb, dimse, folder."),
        ("{name: x, kind: folder, path: ../up}", "without '..'."),
        ("{name: x, kind: folder, path: studies/x}", "studies is a folder of Postern itself"),
        ("{name: x, kind: folder, path: out, zip: maybe}", "say true or false."),
        ("{name: x, kind: folder, path: out, associations: 2}", "a folder destination has no associations."),
        ("{name: x, kind: folder, path: out, template: '{n}.dcm'}", "two images could have one name"),
        ("{name: x, kind: folder, path: out, template: '../{patient_id}'}", "without a dot at either end"),
        (
            "{name: x, kind: folder, path: out, template: '{patient_name}/{n}'}",
            "there is no {patient_name}; known:",
        ),
        (
            "{name: x, kind: folder, path: out, zip: true, template: '{patient_id}/{instance_uid}'}",
            "a ZIP holds many images",
        ),
        (
            "{name: x, kind: backend, template: '{patient_id}/{instance_uid}'}",
            "a backend destination has no template.",
        ),
        (
            "{name: x, kind: folder, path: out, commitment: true}",
            "a folder destination has no commitment.",
        ),
        ("{name: x, kind: dimse, node: n, associations: 0}", "give a whole number from 1 to 16."),
        ("{name: x, kind: dimse, node: n, associations: many}", "give a whole number from 1 to 16."),
        ("{name: x, kind: folder, path: out, node: y}", "nodes has no 'y'."),
        ("{name: [x], kind: folder, path: out}", "this must be a single value."),
        (
            "just-text",
            "this must be a mapping with the keys name, kind, node, path, zip, template, associations,",
        ),
    ],
)
def test_a_destination_has_what_its_kind_needs(line: str, sentence: str) -> None:
    assert any(sentence in one for one in errors(f"destinations: [{line}]"))


@pytest.mark.parametrize(
    "path",
    [
        "{data}", "{data}/studies", "{data}/studies/1", "{data}/vault/x", "{data}/results", "{store}",
        "{store}/studies/x", "{store}/quarantine", "{keys}", "{keys}/x", "{data}/out/../studies", "{data}/link",
        "link/below", ".", "results", "./quarantine", "Studies",
    ],
)  # fmt: skip
def test_no_destination_lies_in_a_folder_of_ours(path: str, tmp_path: Path, settings: LazySettings) -> None:
    """Where the stores lie elsewhere, too, and behind links."""
    settings.DATA_DIR, settings.DICOM_STORAGE_DIR = tmp_path / "data", tmp_path / "store"
    settings.KEY_DIR = tmp_path / "keys"
    (tmp_path / "data" / "vault").mkdir(parents=True)
    (tmp_path / "data" / "link").symlink_to(tmp_path / "data" / "vault")
    where = path.format(data=tmp_path / "data", store=tmp_path / "store", keys=tmp_path / "keys")
    found = errors(f"destinations: [{{name: x, kind: folder, path: {where}}}]")
    assert any(
        "of Postern itself" in one or "without '..'" in one or "name a folder" in one for one in found
    ), found


@pytest.mark.parametrize(
    "path", ["outbox", "{data}/outbox", "{data}/studies-out", "/mnt/elsewhere", "out/studies"]
)
def test_a_destination_may_lie_anywhere_else(path: str, tmp_path: Path, settings: LazySettings) -> None:
    settings.DATA_DIR = settings.DICOM_STORAGE_DIR = tmp_path / "data"
    text = f"destinations: [{{name: x, kind: folder, path: {path.format(data=tmp_path / 'data')}}}]"
    assert len(read(text).destinations) == 1


CLOUD = "{name: cloud, kind: dicomweb, url: 'https://dicom.example/root/', auth: bearer, secret: DESTINATION_CLOUD}"


def test_a_destination_of_the_web_is_read() -> None:
    (cloud,) = read(f"destinations: [{CLOUD}]").destinations
    assert cloud == DestinationSpec(
        "cloud", "dicomweb", url="https://dicom.example/root", auth="bearer", secret="DESTINATION_CLOUD"
    )


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("url: 'https://dicom.example/root/', ", "", "a dicomweb destination needs url."),
        ("https:", "ftp:", "begins with https://"),
        ("https://dicom.example/root/", "https://", "begins with https://"),
        ("https://dicom.example/root/", "https://a:99999/", "this is no address."),
        ("https://dicom.example", "https://ada:pass@dicom.example", "no user and no password in an address"),
        ("/root/", "/root/?key=1", "without ? and #."),
        ("https:", "http:", "http:// sends images and secrets in clear"),
        ("DESTINATION_CLOUD", "SECRET_KEY", "beginning with DESTINATION_."),
        ("DESTINATION_CLOUD", "s3cret-itself", "beginning with DESTINATION_."),
        (", secret: DESTINATION_CLOUD", "", "auth: bearer needs secret."),
        ("auth: bearer, ", "", "say with auth how the secret is shown"),
        ("auth: bearer", "auth: digest", "choose one of none, basic, header, bearer, oauth2."),
        ("auth: bearer", "auth: basic", "auth: basic needs user."),
        ("auth: bearer", "auth: basic, user: 'a:b'", "has no colon."),
        ("auth: bearer", "auth: oauth2, user: c", "auth: oauth2 needs token_url."),
        ("auth: bearer", "auth: bearer, token_url: https://a/b", "token_url belongs to auth: oauth2."),
        ("auth: bearer", "auth: bearer, scope: all", "scope belongs to auth: oauth2."),
        (
            "auth: bearer",
            "auth: oauth2, user: c, token_url: http://a/b",
            "http:// sends images and secrets in clear",
        ),
        ("auth: bearer", "auth: header, header: 'X Key'", "letters, digits and hyphens."),
        ("auth: bearer", "auth: header, header: Content-Length", "says something else."),
        ("auth: bearer", "auth: bearer, key: k.pem", "a key belongs to a certificate."),
        ("auth: bearer", "auth: bearer, user: Käthe", "plain characters only"),
        ("auth: bearer", "auth: bearer, path: out", "a dicomweb destination has no path."),
        ("auth: bearer", "auth: bearer, zip: true", "a dicomweb destination has no zip."),
        ("auth: bearer", "auth: bearer, insecure: perhaps", "say true or false."),
    ],
)
def test_what_cannot_be_meant_about_a_destination_of_the_web_is_said(
    old: str, new: str, sentence: str
) -> None:
    assert old in CLOUD
    found = errors(f"destinations: [{CLOUD.replace(old, new, 1)}]")
    assert any(sentence in one and "site.yaml:1: destinations[0]" in one for one in found), found
    assert "s3cret" not in str(found) and "pass" not in str(found).replace("password", "")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8042/dicom-web", "http://localhost:8042", "http://[::1]/x"]
)
def test_this_machine_may_be_called_in_clear_and_others_where_it_is_said(url: str) -> None:
    assert read(f"destinations: [{{name: a, kind: dicomweb, url: '{url}'}}]").destinations
    assert read(
        "destinations: [{name: a, kind: dicomweb, url: http://pacs.example, insecure: true}]"
    ).destinations


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("projects: [{name: a}, {name: a}]", "projects[1].name: a has this already."),
        (
            "destinations: [{name: a, kind: folder, path: p}, {name: b, kind: folder, path: p}]",
            "destinations[1].path: a has this already.",
        ),
        (
            "projects: [{name: a}]\nroutes: [{called_ae: X, project: a}, {called_ae: X, project: a}]",
            "routes[1].called_ae: * → X has this already.",
        ),
        (
            "nodes: [{name: a, ae_title: X, host: h, port: 1, may: [find]},"
            " {name: b, ae_title: X, host: h, port: 2}]",
            "nodes[1].ae_title: nothing tells this node from a; give one networks or a certificate.",
        ),
        ("projects: {name: a}", "projects: this must be a list."),
        ("projects: [{name: a, name: b}]", "name stands here twice."),
        (
            "[1, 2]",
            "site.yaml:1: this must be a mapping with the keys projects, nodes, destinations, routes.",
        ),
        ("projcts: []", "unknown key 'projcts'; did you mean projects?"),
        ("a: [", "not YAML as we read it"),
        (
            "projects: &x []\nnodes: *x",
            "site.yaml:1: not YAML as we read it: anchors and aliases are not used here.",
        ),
        ("[" * 5000, "site.yaml:1: nested too deeply."),
        ("a: \x00", "site.yaml:1: this is not text that YAML allows."),
        ("? [a]\n: 1", "unknown key '(a list or mapping)'"),
        ("a: 1\n---\nb: 1\n", "but found another document"),
        ("#" * 1_000_001, "a site file has at most 1000000 characters."),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, sentence: str) -> None:
    found = errors(text)
    assert any(sentence in one for one in found), found


def test_a_recipe_that_cannot_be_loaded_is_refused() -> None:
    with pytest.raises(SiteError) as caught:
        read_file("projects: [{name: a, recipe: bsic}]", recipe_trouble=lambda recipe: f"no {recipe}.")
    assert caught.value.sentences == ["site.yaml:1: projects[0].recipe: no bsic."]


def test_a_recipe_of_ones_own_is_meant_from_the_site_files_folder(tmp_path: Path) -> None:
    text = "projects: [{name: a, recipe: own.yaml}, {name: b, recipe: basic}]"
    asked: list[str] = []
    site = read_file(text, recipe_trouble=asked.append, folder=tmp_path)
    assert [project.recipe for project in site.projects] == [str(tmp_path / "own.yaml"), "basic"]
    assert asked == [str(tmp_path / "own.yaml"), "basic"]


def test_without_a_folder_a_recipe_of_ones_own_needs_its_full_path() -> None:
    assert errors("projects: [{name: a, recipe: own.yaml}]") == [
        "site.yaml:1: projects[0].recipe: a recipe of your own needs its full path here."
    ]


def test_two_nodes_that_may_do_the_same_need_not_be_told_apart() -> None:
    two = "nodes: [{name: a, ae_title: X, host: h, port: 1}, {name: b, ae_title: X, host: h, port: 2}]"
    assert len(read(two).nodes) == 2


HOURS = EXAMPLE.replace(
    "path: outbox}",
    "path: outbox, at_once: 2, images_per_minute: 600, megabytes_per_minute: 90,\n"
    "     windows: [Sat-Sun 00:00-24:00, 22:00-06:00, 22:00-06:00]}",
).replace("destinations: [research", "priority: urgent, destinations: [research")


def test_hours_limits_and_a_priority_are_read_and_written_back() -> None:
    site = read(HOURS)
    outbox = site.destinations[1]
    assert outbox.windows == ("22:00-06:00", "Sat-Sun 00:00-24:00")
    assert (outbox.at_once, outbox.images_per_minute, outbox.megabytes_per_minute) == (2, 600, 90)
    assert site.routes[0].priority == "urgent"
    assert read(dump(site)) == site


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("at_once: 2", "at_once: 0"), "destinations[1].at_once: give a whole number from 1 to 64."),
        (
            ("minute: 600", "minute: 1.5"),
            "destinations[1].images_per_minute: give a whole number from 1 to 1000000.",
        ),
        (("22:00-06:00]", "22:00]"), "destinations[1].windows[2]: give hours as 22:00-06:00"),
        (("22:00-06:00]", "0:00-24:00]"), "destinations[1].windows[2]: give hours as 22:00-06:00"),
        (("22:00-06:00]", "7]"), "destinations[1].windows[2]: give hours as 22:00-06:00"),
        (("22:00-06:00]", "08:00-08:00]"), "destinations[1].windows[2]: this begins where it ends"),
        (
            ("[Sat-Sun 00:00-24:00, 22:00-06:00, 22:00-06:00]", "22:00-06:00"),
            "destinations[1].windows: this must be a list.",
        ),
        (("priority: urgent", "exclude: ['*']"), "routes[0].exclude[0]: this would fit every series;"),
        (("priority: urgent", "exclude: Dose"), "routes[0].exclude: this must be a list."),
        (("priority: urgent", "priority: stat"), "routes[0].priority: choose one of urgent, routine, bulk."),
    ],
)
def test_what_is_no_hour_limit_or_priority_is_refused(change: tuple[str, str], sentence: str) -> None:
    (error,) = errors(HOURS.replace(*change))
    assert sentence in error
