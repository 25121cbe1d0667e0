"""Requests to the service whose answer is kept, and where customers are told of it. Nothing is decided here: a job is
its customer's."""

from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from proxy.service.models import Hook, Job
from proxy.web.admin.base import ReadOnlyAdmin


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Not the digests of what was sent, not whose turn it is, not what the result's file is called."""

    list_display = (
        "begun_at",
        "customer",
        "kind",
        "state",
        "processed",
        "failed",
        "burned_in",
        "ended_at",
        "expires_at",
        "reason",
    )
    list_filter = ("state", "kind", "begun_at")
    list_select_related = ("customer",)
    exclude = ("key_mac", "body_mac", "token", "file")
    search_fields = ("=name", "customer__name")
    search_help_text = "Ids of jobs, and names of customers."
    actions = ()


@admin.register(Hook)
class HookAdmin(ReadOnlyAdmin):
    """Of the address only the host: the rest may hold a secret of the customer's."""

    list_display = ("customer", "host", "made_at")
    list_select_related = ("customer",)
    fields = ("customer", "host", "made_at")
    readonly_fields = ("host",)
    search_fields = ("customer__name",)
    search_help_text = "Names of customers."
    actions = ()

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).defer("secret")

    @admin.display(description="host")
    def host(self, row: Hook) -> str:
        return urlsplit(row.url).netloc
