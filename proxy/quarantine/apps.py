from django.apps import AppConfig


class QuarantineConfig(AppConfig):
    name = "proxy.quarantine"
    label = "quarantine"
    default_auto_field = "django.db.models.BigAutoField"
