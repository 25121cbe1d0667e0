"""Whatever the admin lets somebody edit, it marks."""

from django.contrib import admin
from django.contrib.auth.models import Group, User

from proxy.web.admin.base import MarkedAdmin, ReadOnlyAdmin

MARKED_WHERE_SAVED = {User, Group}
"""By `proxy/staff/accounts.py`, whoever saves them."""


def test_every_page_either_edits_nothing_or_marks_what_it_edits() -> None:
    for model, page in admin.site._registry.items():
        assert isinstance(page, ReadOnlyAdmin | MarkedAdmin) or model in MARKED_WHERE_SAVED, model.__name__
