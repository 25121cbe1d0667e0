"""The vault's rows, without what is encrypted, keyed or shifted; and the one page that shows an identity.

That page is asked for with a purpose, in a form that is posted, so that no address, log or history holds
anything. Who may not is refused by `vault.reidentify`, and each try leaves its mark there.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.utils.html import format_html

from proxy.retrieval.askers import asker
from proxy.routing.models import Project
from proxy.storage.errors import SealBroken
from proxy.storage.keys import KeysMissing
from proxy.vault import approvals, reidentify
from proxy.vault.models import (
    Approval,
    FormerId,
    IssuerAlias,
    Memo,
    Person,
    ProjectKey,
    Seal,
    StudyKey,
    UidPair,
)
from proxy.vault.reidentify import Identity, NotAllowed
from proxy.vault.seals import Forgotten
from proxy.web.admin.base import ReadOnlyAdmin, by, decide


class PurposeForm(forms.Form):
    purpose = forms.CharField(
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2, "cols": 60}),
        help_text="Why you need to know. It stands in the audit, with your name.",
    )


class VaultAdmin(ReadOnlyAdmin):
    def has_decide_permission(self, request: HttpRequest) -> bool:
        return False

    @admin.display(description="project")
    def project(self, row: Any) -> str:
        """No foreign key leads out of the vault: the number is looked up here."""
        name = Project.objects.filter(pk=row.project_id).values_list("name", flat=True).first()
        return name or f"number {row.project_id}"


@admin.register(Person)
class PersonAdmin(VaultAdmin):
    list_display = ("pseudonym", "project", "per_study", "generation", "created_at", "forgotten_at")
    list_filter = ("per_study", ("forgotten_at", admin.EmptyFieldListFilter))
    search_fields = ("=pseudonym",)
    fields = ("pseudonym", "project", "per_study", "generation", "created_at", "forgotten_at", "ask")
    readonly_fields = ("project", "ask")

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.identity, cacheable=False)
        return [path("<int:pk>/identity/", page, name="vault_person_identity"), *super().get_urls()]

    @admin.display(description="identity")
    def ask(self, person: Person) -> str:
        if person.forgotten_at is not None:
            return "forgotten for good"
        address = reverse("admin:vault_person_identity", args=[person.pk])
        return format_html('<a href="{}">Ask who this is</a> (with a purpose; it is audited)', address)

    def identity(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The form, and after a posted purpose the identity; never in the address, never kept by a browser."""
        person = get_object_or_404(Person, pk=pk)
        form = PurposeForm(request.POST or None)
        answer: Identity | None = None
        try:
            if request.method == "POST" and form.is_valid():
                answer = self._look(request, person, form.cleaned_data["purpose"])
            elif request.method == "POST" or not request.user.has_perm(reidentify.VIEW):
                self._look(request, person, "")
        except (reidentify.Unknown, Forgotten, KeysMissing, SealBroken) as trouble:
            form.add_error(None, str(trouble))
        except NotAllowed as refused:
            if not request.user.has_perm(reidentify.VIEW):
                raise PermissionDenied from None
            if form.is_valid():  # else the form says already what is missing
                form.add_error(None, str(refused))
        return self._page(request, person, form, answer)

    def _look(self, request: HttpRequest, person: Person, purpose: str) -> Identity:
        """Without the permission or a purpose this refuses, and marks that it was tried."""
        who = asker(by(request), request.user.has_perm)
        return reidentify.identity_of(who, person.pseudonym, person.project_id, purpose)

    def _page(
        self, request: HttpRequest, person: Person, form: PurposeForm, answer: Identity | None
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"Who is {person.pseudonym}?",
            "person": person,
            "form": form,
            "identity": answer,
        }
        response = TemplateResponse(request, "admin/identity.html", context)
        patch_cache_control(response, no_store=True, private=True)
        return response


@admin.register(ProjectKey)
class ProjectKeyAdmin(VaultAdmin):
    list_display = ("project", "created_at")
    fields = ("project", "created_at")
    readonly_fields = ("project",)


@admin.register(IssuerAlias)
class IssuerAliasAdmin(VaultAdmin):
    list_display = ("alias", "issuer", "project")
    fields = ("alias", "issuer", "project")
    readonly_fields = ("project",)


@admin.register(UidPair)
class UidPairAdmin(VaultAdmin):
    list_display = ("uid", "kind", "person", "project")
    list_filter = ("kind",)
    list_select_related = ("person",)
    search_fields = ("=uid", "=person__pseudonym")
    fields = ("uid", "kind", "person", "project")
    readonly_fields = ("project",)


@admin.register(Approval)
class ApprovalAdmin(VaultAdmin):
    """Questions for a second person; the answer holds for an hour and for the purpose."""

    list_display = ("asker", "project", "purpose", "asked_at", "approver", "until", "rejected_at")
    list_filter = (("until", admin.EmptyFieldListFilter), ("rejected_at", admin.EmptyFieldListFilter))
    fields = ("asker", "project", "purpose", "asked_at", "approver", "until", "rejected_at")
    readonly_fields = ("project",)
    actions = ("approve", "reject")

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(approvals.APPROVE))

    @admin.action(description="Approve for an hour", permissions=["decide"])
    def approve(self, request: HttpRequest, rows: "QuerySet[Approval]") -> None:
        now, called = timezone.now(), [str(getattr(request.user, "email", ""))]
        decide(self, request, rows, lambda row: approvals.approve(row, by(request), now, called), "approved")

    @admin.action(description="Reject", permissions=["decide"])
    def reject(self, request: HttpRequest, rows: "QuerySet[Approval]") -> None:
        now = timezone.now()
        decide(self, request, rows, lambda row: approvals.reject(row, by(request), now), "rejected")


@admin.register(StudyKey)
class StudyKeyAdmin(VaultAdmin):
    """Which studies have an accession number or a Patient ID; not which one."""

    list_display = ("uid", "person", "project")
    list_select_related = ("person",)
    search_fields = ("=uid", "=person__pseudonym")
    fields = ("uid", "person", "project")
    readonly_fields = ("project",)


@admin.register(FormerId)
class FormerIdAdmin(VaultAdmin):
    """Which persons had another Patient ID; not which one."""

    list_display = ("person", "project", "corrected_at")
    list_select_related = ("person",)
    search_fields = ("=person__pseudonym",)
    fields = ("person", "project", "corrected_at")
    readonly_fields = ("project",)


@admin.register(Seal)
class SealAdmin(VaultAdmin):
    list_display = ("sop_uid", "person", "project", "size", "created_at")
    list_select_related = ("person",)
    search_fields = ("=sop_uid", "=person__pseudonym")
    fields = ("sop_uid", "person", "project", "size", "created_at")
    readonly_fields = ("project",)


@admin.register(Memo)
class MemoAdmin(VaultAdmin):
    list_display = ("__str__", "created_at")
    fields = ("created_at",)
    readonly_fields = ("created_at",)
