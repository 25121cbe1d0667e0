"""Whoever keeps bytes says under which key they lie: what master keys wrap is wrapped anew when these rotate."""

from django.apps import apps
from django.db.models import BinaryField

from proxy.vault import wrapped

UNDER_A_PERSONS_KEY = {
    "vault.Person.identity",
    "vault.UidPair.token",
    "vault.Seal.token",
}
BITS = {"deliveries.Delivery.acks", "deliveries.Delivery.commits", "deliveries.CommitmentRequest.asked"}


def test_every_field_that_master_keys_wrap_is_known_to_rotation() -> None:
    known = {f"{model._meta.label}.{field}" for model, field in wrapped.fields()}
    binary = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, BinaryField)
    }
    assert binary - UNDER_A_PERSONS_KEY - BITS == known
    assert binary >= UNDER_A_PERSONS_KEY | BITS
