"""Marks of a request's changes name who is logged in."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from proxy.audit.acting import acting
from proxy.web.logins import NOBODY


class Acting:
    """A middleware; stands after the one that knows who is logged in."""

    def __init__(self, answer: Callable[[HttpRequest], HttpResponse]) -> None:
        self.answer = answer

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with acting(lambda: request.user.get_username() or NOBODY):
            return self.answer(request)
