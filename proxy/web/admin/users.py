"""Users and groups: who may do what is configuration, so a change of it leaves its mark."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest

from proxy.web.admin.base import MarkedAdmin

if TYPE_CHECKING:
    UserAdmin = DjangoUserAdmin[User]
else:
    UserAdmin = DjangoUserAdmin

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class MarkedUserAdmin(MarkedAdmin, UserAdmin):
    """A person who left is made inactive: their name stands in the audit."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Group)
class MarkedGroupAdmin(MarkedAdmin, GroupAdmin):
    pass
