"""Users and groups. What changes of them leaves its mark where it is saved (`proxy/staff/accounts.py`)."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest

if TYPE_CHECKING:
    UserAdmin = DjangoUserAdmin[User]
else:
    UserAdmin = DjangoUserAdmin

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class KeptUserAdmin(UserAdmin):
    """A person who left is made inactive: their name stands in the audit."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


admin.site.register(Group, GroupAdmin)
