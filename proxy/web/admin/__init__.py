"""Django's admin over all rooms. It stands here because it calls every one of them; no room knows it.

Lives, audit and vault are shown and never edited: what persons may decide about them are actions, and the
rooms carry those out and leave the marks. Only pseudonyms are shown; the one page with an identity on it is
`vault.py`'s.
"""

from django.contrib import admin

from proxy.web import logins
from proxy.web.admin import (
    alerts,
    audit,
    backend,
    deliveries,
    homecomings,
    quarantine,
    retrieval,
    routing,
    service,
    staff,
    studies,
    tiers,
    users,
    vault,
)

__all__ = [
    "alerts",
    "audit",
    "backend",
    "deliveries",
    "homecomings",
    "quarantine",
    "retrieval",
    "routing",
    "service",
    "staff",
    "studies",
    "tiers",
    "users",
    "vault",
]

logins.connect()
admin.site.site_header = admin.site.site_title = "Postern"
admin.site.index_title = "The house"
