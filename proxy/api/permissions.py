"""Who may come in. The framework reads this file before its views, so it imports none of ours."""

from typing import Any

from rest_framework.permissions import BasePermission


class Nobody(BasePermission):
    """The default, in the settings too: whoever opens a door says for whom."""

    def has_permission(self, request: Any, view: Any) -> bool:
        return False


class Anybody(BasePermission):
    def has_permission(self, request: Any, view: Any) -> bool:
        return True


class Somebody(BasePermission):
    """Whom one of the door's authentication classes has recognised."""

    def has_permission(self, request: Any, view: Any) -> bool:
        return request.user is not None
