"""What we hold, by study: pseudonyms only. Persons may hold, free, approve and reject."""

from datetime import datetime

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from proxy.deliveries import recalling
from proxy.deliveries.whereabouts import whereabouts
from proxy.evidence import notary
from proxy.retention import outlook
from proxy.studies import completeness, excluding, review
from proxy.studies.excluding import Done, Undone
from proxy.studies.models import Exclusion, Instance, PacsCount, Revision, Series, Study, Treatment
from proxy.web.admin.base import ReadOnlyAdmin, ReadOnlyInline, by, comment_of, decide


class SeriesInline(ReadOnlyInline):
    model = Series
    fields = ("number", "modality", "description", "body_part", "uid", "excluded")


class RevisionInline(ReadOnlyInline):
    model = Revision
    fk_name = "study"
    fields = (
        "number",
        "route",
        "series",
        "state",
        "total",
        "opened_at",
        "quiet_at",
        "released_at",
        "ended_at",
    )


@admin.register(Study)
class StudyAdmin(ReadOnlyAdmin):
    list_display = ("uid", "patient", "project", "date", "description", "received_at", "held")
    list_filter = ("project", ("held_at", admin.EmptyFieldListFilter), "excludes", "received_at")
    list_select_related = ("project",)
    search_fields = ("=uid", "=patient", "=accession")
    date_hierarchy = "received_at"
    inlines = (RevisionInline, SeriesInline)
    readonly_fields = ("sureness", "where", "never_leaves", "stays")
    actions = ("hold", "set_free")

    @admin.display(description="how sure it is that all of it is here")
    def sureness(self, study: Study) -> str:
        return completeness.sureness(study)

    @admin.display(description="where it is, and what to do")
    def where(self, study: Study) -> str:
        answers = whereabouts(study, None, timezone.now())
        return format_html_join(mark_safe("<br>"), "{}", ((str(answer),) for answer in answers)) or "-"

    @admin.display(description="series that never leave, and why")
    def never_leaves(self, study: Study) -> str:
        lines = ((sentence,) for sentence in excluding.of_study(study))
        return format_html_join(mark_safe("<br>"), "{}", lines) or "-"

    @admin.display(description="until when its files stay, and why")
    def stays(self, study: Study) -> str:
        lines = ((sentence,) for sentence in outlook.of_study(study))
        return format_html_join(mark_safe("<br>"), "{}", lines) or "-"

    @admin.display(boolean=True, description="held")
    def held(self, study: Study) -> bool:
        return study.is_held

    @admin.action(description="Hold (nothing more is released or sent)", permissions=["decide"])
    def hold(self, request: HttpRequest, rows: "QuerySet[Study]") -> None:
        now, why = timezone.now(), comment_of(request)
        decide(self, request, rows, lambda row: review.hold(row, by(request), now, why), "held")

    @admin.action(description="Set free (a held study goes on)", permissions=["decide"])
    def set_free(self, request: HttpRequest, rows: "QuerySet[Study]") -> None:
        why = comment_of(request)
        decide(self, request, rows, lambda row: review.set_free(row, by(request), why), "set free")


@admin.register(Revision)
class RevisionAdmin(ReadOnlyAdmin):
    list_display = ("study", "number", "route", "state", "total", "opened_at", "quiet_at", "released_at")
    list_filter = ("state", "route", "study__project")
    list_select_related = ("study", "route")
    search_fields = ("=study__uid", "=study__patient")
    exclude = ("evidence",)
    readonly_fields = ("sureness", "holds", "proof")
    actions = ("approve", "reject", "reconsider")

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self._evidence)
        return [path("<int:pk>/evidence/", page, name="evidence"), *super().get_urls()]

    def _evidence(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The bundle as a file. It names nobody, so whoever may see the study may have it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        revision = get_object_or_404(Revision.objects.exclude(evidence=""), pk=pk)
        try:
            document = notary.read(revision)
        except OSError:
            raise Http404("The file of this bundle is gone; restore it from a backup.") from None
        said = {"Content-Disposition": f'attachment; filename="{notary.name_of(revision)}"'}
        return HttpResponse(document, content_type="application/json", headers=said)

    @admin.display(description="how sure it is that all of the study is here")
    def sureness(self, revision: Revision) -> str:
        return completeness.sureness(revision.study)

    @admin.display(description="series in it")
    def holds(self, revision: Revision) -> str:
        """Each leads to the page on which it can be excluded."""
        rows = (
            Series.objects.filter(instances__revision=revision)
            .annotate(images=Count("instances"))
            .order_by("pk")
        )
        page = reverse("admin:studies_series_changelist")
        lines = ((f"{page}?uid={row.uid}", excluding.known_as(row), row.images) for row in rows)
        return format_html_join(mark_safe("<br>"), '<a href="{}">{}</a>, images: {}', lines) or "-"

    @admin.display(description="evidence")
    def proof(self, revision: Revision) -> str:
        if not revision.evidence:
            return "is made once it is released"
        return format_html('<a href="{}">download</a>', reverse("admin:evidence", args=[revision.pk]))

    @admin.action(description="Approve (release to its destinations)", permissions=["decide"])
    def approve(self, request: HttpRequest, rows: "QuerySet[Revision]") -> None:
        now, why = timezone.now(), comment_of(request)
        decide(self, request, rows, lambda row: self._approve(request, row, now, why), "approved")

    def _approve(self, request: HttpRequest, row: Revision, now: datetime, why: str) -> bool | str:
        if row.study.is_held:
            return "its study is held; set it free first."
        return review.approve(row, by(request), now, why)

    @admin.action(description="Reject (stays here, counted as excluded)", permissions=["decide"])
    def reject(self, request: HttpRequest, rows: "QuerySet[Revision]") -> None:
        why = comment_of(request)
        decide(self, request, rows, lambda row: review.reject(row, by(request), why), "rejected")

    @admin.action(description="Reconsider (back to review)", permissions=["decide"])
    def reconsider(self, request: HttpRequest, rows: "QuerySet[Revision]") -> None:
        why = comment_of(request)
        decide(self, request, rows, lambda row: review.reconsider(row, by(request), why), "back in review")


@admin.register(PacsCount)
class PacsCountAdmin(ReadOnlyAdmin):
    """What the PACS of a route said of studies that were quiet here."""

    list_display = ("revision", "node", "said", "here", "not_taken", "asked_at", "settled_at", "trouble")
    list_filter = ("node", ("settled_at", admin.EmptyFieldListFilter))
    list_select_related = ("revision", "node")
    search_fields = ("=revision__study__uid",)


@admin.register(Series)
class SeriesAdmin(ReadOnlyAdmin):
    list_display = ("uid", "study", "modality", "number", "description", "excluded")
    list_filter = ("excluded", "modality")
    list_select_related = ("study",)
    search_fields = ("=uid", "=study__uid", "=study__patient")
    readonly_fields = ("why",)
    actions = ("exclude_series", "include_series")

    @admin.display(description="why it does not leave")
    def why(self, series: Series) -> str:
        lines = ((sentence,) for sentence in excluding.sentences(series))
        return format_html_join(mark_safe("<br>"), "{}", lines) or "-"

    @admin.action(description="Exclude (never leaves, counted as excluded)", permissions=["decide"])
    def exclude_series(self, request: HttpRequest, rows: "QuerySet[Series]") -> None:
        now, why = timezone.now(), comment_of(request)
        decide(
            self,
            request,
            rows,
            lambda row: self._told(request, row, recalling.exclude(row, by(request), now, why)),
            "excluded",
        )

    @admin.action(description="Include (leaves after all)", permissions=["decide"])
    def include_series(self, request: HttpRequest, rows: "QuerySet[Series]") -> None:
        now, why = timezone.now(), comment_of(request)
        decide(
            self,
            request,
            rows,
            lambda row: self._told(request, row, recalling.include(row, by(request), now, why)),
            "included",
        )

    def _told(self, request: HttpRequest, row: Series, outcome: Done | Undone) -> bool | str:
        if isinstance(outcome, Undone):
            return outcome.why
        if outcome.too_late:
            said = f"{row}: {outcome.too_late} images are on their way or gone, and are not called back."
            self.message_user(request, said, messages.WARNING)
        return True


@admin.register(Exclusion)
class ExclusionAdmin(ReadOnlyAdmin):
    """Series that never leave: by a rule of a route, or by a person. Decided on the page of series."""

    list_display = ("series", "route", "rule", "by", "comment", "made_at", "lifted_at")
    list_filter = (("lifted_at", admin.EmptyFieldListFilter), "route")
    list_select_related = ("series", "route")
    search_fields = ("=series__uid", "=series__study__uid")


@admin.register(Instance)
class InstanceAdmin(ReadOnlyAdmin):
    list_display = ("uid", "series", "number", "sop_class", "size", "received_at")
    list_filter = ("project",)
    list_select_related = ("series",)
    search_fields = ("=uid", "=series__uid", "=series__study__uid")


@admin.register(Treatment)
class TreatmentAdmin(ReadOnlyAdmin):
    """What de-identification did, by attribute; images that were treated alike share one."""

    list_display = ("digest", "recipe")

    @admin.display
    def recipe(self, treatment: Treatment) -> str:
        return str(treatment.content["recipe"]["name"])
