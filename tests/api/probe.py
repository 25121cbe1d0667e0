"""A door for tests of what all doors have in common, and one that says nothing about who may come in."""

from typing import Any

from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from proxy.api.doors import Door
from proxy.api.permissions import Anybody


class Wanted(serializers.Serializer[Any]):
    word = serializers.CharField(max_length=8)
    numbers = serializers.ListField(child=serializers.IntegerField(), max_length=2)


class Echo(Door):
    permission_classes = (Anybody,)
    largest_body = 200
    raises: Exception | None = None

    def get(self, request: Request) -> Response:
        if Echo.raises is not None:
            raise Echo.raises
        return Response({"query": len(request.query_params)})

    def post(self, request: Request) -> Response:
        wanted: Any = Wanted(data=request.data)
        wanted.is_valid(raise_exception=True)
        return Response(wanted.validated_data)


class Silent(Door):
    def get(self, request: Request) -> Response:
        return Response({})


urlpatterns = [path("echo", Echo.as_view()), path("silent", Silent.as_view())]
