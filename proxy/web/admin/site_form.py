"""The admin's forms ask the site file's schema: what `configure` refuses cannot be saved here either.

The object in the form is put into the site that is in force, the whole is written and read back, and the
troubles of this object are shown at its fields.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django import forms

from proxy.backend.confirming import may_see_identities
from proxy.network.quirks import QUIRKS
from proxy.routing.models import BACKEND_PREFIX, Destination, Node, Project, Route
from proxy.routing.site import (
    DestinationSpec,
    GrantSpec,
    NodeSpec,
    ProjectSpec,
    RouteSpec,
    Site,
    SiteError,
    values,
)
from proxy.routing.site.lines import Trouble
from proxy.routing.site.reading import read
from proxy.routing.site.schema import LIMITS, LINE, LOGIN, RIGHTS, SECTIONS
from proxy.routing.site.writing import (
    destination_spec,
    dump,
    load_site,
    node_spec,
    project_spec,
    route_spec,
)

if TYPE_CHECKING:
    Form = forms.ModelForm[Any]
else:
    Form = forms.ModelForm

Spec = ProjectSpec | NodeSpec | DestinationSpec | RouteSpec
FIELD_NAMES = {"zip": "as_zip", "purpose": "grant_purpose", "until": "grant_until"}


WEB = ("url", *LOGIN, *LINE)
PLAIN = ("template", *WEB, *LIMITS)
SECTION_OF = {spec: section for section, spec in SECTIONS.items()}
SPEC_OF: dict[Any, Callable[[Any], Spec]] = {
    Project: project_spec,
    Node: node_spec,
    Destination: destination_spec,
    Route: route_spec,
}


def spec_of(row: Any) -> Spec:
    return SPEC_OF[type(row)](row)


def troubles_of(spec: Spec, old: Spec | None) -> list[Trouble]:
    """What the schema says against this object in the place of the one it replaces."""
    section = SECTION_OF[type(spec)]
    site = load_site()
    others = _others(site, section, old)
    place = f"{section}[{len(others)}]"
    found = _troubles(replace(site, **{section: (*others, spec)}))
    return [one for one in found if one.place.startswith(place)]


def troubles_without(spec: Spec) -> list[str]:
    """What would be wrong if this object were out of force, and is not wrong already."""
    section = SECTION_OF[type(spec)]
    site = load_site()
    before = {one.what for one in _troubles(site)}
    after = _troubles(replace(site, **{section: _others(site, section, spec)}))
    return [f"{one.place}: {one.what}" for one in after if one.what not in before]


def _as_kept(window: str) -> str:
    try:
        return values.window(window)
    except values.WrongValueError:
        return window


def lines_of(text: str) -> list[str]:
    return sorted({one.strip() for one in text.splitlines() if one.strip()})


def _others(site: Site, section: str, spec: Spec | None) -> tuple[Any, ...]:
    return tuple(one for one in getattr(site, section) if spec is None or one.name != spec.name)


def _troubles(site: Site) -> list[Trouble]:
    try:
        read(dump(site), reserved="")
    except SiteError as error:
        return error.troubles
    return []


class SiteForm(Form):
    """A form for one object of the site."""

    def spec(self) -> Spec:
        raise NotImplementedError

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.old = spec_of(self.instance) if self.instance.pk else None

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        self.look_further()
        if not self.errors:
            for trouble in troubles_of(self.spec(), self.old):
                self.add_error(self._field_of(trouble), trouble.what)
        return cleaned

    def look_further(self) -> None:
        """What the schema does not know."""

    def _field_of(self, trouble: Trouble) -> str | None:
        name = trouble.place.rpartition(".")[2].partition("[")[0]
        name = FIELD_NAMES.get(name, name)
        return name if name in self.fields else None

    def value(self, name: str) -> Any:
        """What was typed; what is not in the form stays as it is."""
        return self.cleaned_data[name] if name in self.cleaned_data else getattr(self.instance, name)


class ProjectForm(SiteForm):
    class Meta:
        model = Project
        fields = ("name", "recipe", "issuer", "second_approver")

    def spec(self) -> ProjectSpec:
        return ProjectSpec(
            self.value("name"), self.value("recipe"), self.value("issuer"), self.value("second_approver")
        )


class NodeForm(SiteForm):
    may = forms.MultipleChoiceField(
        choices=[(one, one) for one in RIGHTS],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="What it may ask of us. Sending to it is said by a destination.",
    )
    quirks = forms.MultipleChoiceField(
        choices=[(name, f"{name}: {meaning}") for name, meaning in QUIRKS.items()],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="What we do differently for a difficult peer.",
    )
    networks = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Networks it may call from, one in a line, such as 10.1.0.0/16; empty: any.",
    )
    grant_purpose = forms.CharField(
        required=False, max_length=255, help_text="Of the identified view: what its standing grant is for."
    )
    grant_until = forms.DateField(required=False, help_text="The last day of the standing grant.")

    class Meta:
        model = Node
        fields = (
            "name",
            "ae_title",
            "host",
            "port",
            "may",
            "view",
            "networks",
            "certificate",
            "projects",
            "issuer",
            "outside",
            "on_hold",
            "tls",
            "quirks",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        grant = self.instance.grant or {}
        self.initial["networks"] = "\n".join(self.instance.networks)
        self.initial["grant_purpose"] = grant.get("purpose", "")
        self.initial["grant_until"] = grant.get("until")

    def clean_networks(self) -> list[str]:
        return lines_of(self.cleaned_data["networks"])

    def clean_may(self) -> list[str]:
        return sorted(self.cleaned_data["may"])

    def clean_quirks(self) -> list[str]:
        return sorted(self.cleaned_data["quirks"])

    def look_further(self) -> None:
        identified = self.cleaned_data.get("view") == Node.IDENTIFIED
        if identified and not may_see_identities(self.instance):
            self.add_error("view", "confirm its address first, on the page of the backend's nodes.")
        if self.instance.pk is None and str(self.cleaned_data.get("name", "")).startswith(BACKEND_PREFIX):
            self.add_error("name", f"names that begin with {BACKEND_PREFIX} are the backend's.")

    def grant(self) -> GrantSpec | None:
        purpose, until = self.cleaned_data["grant_purpose"], self.cleaned_data["grant_until"]
        return GrantSpec(purpose, until.isoformat() if until else "") if purpose or until else None

    def spec(self) -> NodeSpec:
        same = (
            "name",
            "ae_title",
            "host",
            "port",
            "view",
            "certificate",
            "issuer",
            "outside",
            "on_hold",
            "tls",
        )
        return NodeSpec(
            **{name: self.value(name) for name in same},
            may=tuple(self.cleaned_data["may"]),
            networks=tuple(self.cleaned_data["networks"]),
            quirks=tuple(self.cleaned_data["quirks"]),
            projects=tuple(sorted(one.name for one in self.cleaned_data["projects"])),
            grant=self.grant(),
        )

    def save(self, commit: bool = True) -> Any:
        grant = self.grant()
        self.instance.grant = dict(grant.as_json()) if grant else None
        return super().save(commit)


class DestinationForm(SiteForm):
    windows = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Hours at which anything is sent, one window in a line, such as 22:00-06:00 or Sat-Sun 00:00-24:00;"
        " empty: always.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["windows"] = "\n".join(self.instance.windows)
        for name in LIMITS:
            self.fields[name].required = False  # nothing typed is no limit

    def clean(self) -> dict[str, Any] | None:
        self.cleaned_data |= {name: self.cleaned_data.get(name) or 0 for name in LIMITS}
        return super().clean()

    def clean_windows(self) -> list[str]:
        """As `configure` would keep them; what is none, the schema says."""
        return sorted({_as_kept(one) for one in lines_of(self.cleaned_data["windows"])})

    def look_further(self) -> None:
        if str(self.cleaned_data.get("name", "")).startswith(BACKEND_PREFIX):
            self.add_error("name", f"names that begin with {BACKEND_PREFIX} are the backend's.")

    class Meta:
        model = Destination
        fields = ("name", "kind", "node", "path", "as_zip", "associations", "commitment", *PLAIN, "windows")

    def spec(self) -> DestinationSpec:
        node = self.cleaned_data["node"]
        return DestinationSpec(
            self.value("name"),
            self.value("kind"),
            node.name if node else "",
            self.value("path"),
            self.value("as_zip"),
            self.value("associations"),
            self.value("commitment"),
            **{name: self.value(name) for name in PLAIN},
            windows=tuple(self.cleaned_data["windows"]),
        )


class RouteForm(SiteForm):
    exclude = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Series with these descriptions never leave, one in a line, such as Patient Protocol or *dose*.",
    )

    class Meta:
        model = Route
        fields = (
            *("called_ae", "calling_ae", "project", "destinations"),
            *("review", "commit_when", "ask_counts", "priority", "exclude"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["exclude"] = "\n".join(self.instance.exclude)

    def clean_exclude(self) -> list[str]:
        return lines_of(self.cleaned_data["exclude"])

    def spec(self) -> RouteSpec:
        names = tuple(sorted(one.name for one in self.cleaned_data["destinations"]))
        project = self.cleaned_data["project"].name
        return RouteSpec(
            self.value("called_ae"),
            project,
            self.value("calling_ae"),
            names,
            self.value("review"),
            self.value("commit_when"),
            self.cleaned_data["ask_counts"].name if self.cleaned_data["ask_counts"] else "",
            self.value("priority"),
            tuple(self.cleaned_data["exclude"]),
        )
