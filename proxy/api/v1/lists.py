"""Lists: filtered by what a door knows, newest first, a page at a time.

The next page begins after the last number of this one, so that what comes meanwhile moves nothing, and the last page
costs what the first did.
"""

from collections.abc import Callable
from typing import Any, Final

from django.db.models import Model, QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from proxy.api.problems import Problem, Wrong

USUAL: Final = 50
MOST: Final = 200
HIGHEST: Final = 2**63 - 1
UNKNOWN: Final = "The address has a parameter that this door does not know."


class Wanted(serializers.Serializer[Any]):
    """What may stand in the address. A field's source is what it means for the database."""

    limit = serializers.IntegerField(
        min_value=1, max_value=MOST, default=USUAL, help_text="How many at most."
    )
    cursor = serializers.IntegerField(
        min_value=1, max_value=HIGHEST, required=False, help_text="`next` of the page before."
    )


def wanted(form: type[Wanted], request: Request) -> dict[str, Any]:
    """Raises ValidationError or Problem; a parameter that means nothing here would else be taken for no condition."""
    if set(request.query_params) - set(form().fields):
        raise Problem(400, "invalid", UNKNOWN, errors=[Wrong("", "unknown", UNKNOWN)])
    asked = form(data=request.query_params.dict())  # as it is, a switch that is missing would be off
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


Said = dict[str, Any]


def page(
    rows: "QuerySet[Any]",
    conditions: Said,
    words: Callable[[list[Any]], list[Said]],
    number: str = "pk",
) -> Said:
    """`words` says a page's rows, all at once, so that what they need is asked for once."""
    limit, cursor = conditions.pop("limit"), conditions.pop("cursor", None)
    rows = rows.filter(**conditions)
    if cursor is not None:
        rows = rows.filter(**{f"{number}__lt": cursor})
    found = list(rows.order_by(f"-{number}")[: limit + 1])
    following = getattr(found[limit - 1], number) if len(found) > limit else None
    return {"results": words(found[:limit]), "next": following}


def one(rows: "QuerySet[Any]", number: int, column: str = "pk") -> Any:
    """Raises Problem: there is none, or none that whoever asks may know of."""
    row: Model | None = rows.filter(**{column: number}).first()
    if row is None:
        raise Problem(404, "not-found", "There is nothing of that number here.")
    return row


def paged(item: type[serializers.Serializer[Any]]) -> Any:
    """For the description: a page of these."""
    fields = {"results": item(many=True), "next": NEXT}
    return type(f"{item.__name__}s", (serializers.Serializer,), fields)


NEXT: Final = serializers.IntegerField(
    allow_null=True, help_text="The cursor of the next page, if there is one."
)
