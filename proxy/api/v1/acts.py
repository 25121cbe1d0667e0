"""What the doors at which something is decided have in common."""

from typing import Any, Final

from rest_framework import serializers
from rest_framework.request import Request

from proxy.api import bodies
from proxy.api.problems import Problem

FASTER: Final = "This cannot be decided now, or somebody was faster."


class Comment(serializers.Serializer[Any]):
    comment = serializers.CharField(
        max_length=255,
        required=False,
        allow_blank=True,
        default="",
        help_text="Why, for the audit. No patient's name.",
    )


def why(request: Request) -> str:
    return "" if request.data is None else str(bodies.taken(Comment, request)["comment"])


def undecided(sentence: str = FASTER) -> Problem:
    return Problem(409, "not-now", sentence)
