from django.apps import AppConfig


class BackendConfig(AppConfig):
    name = "proxy.backend"
    label = "backend"
    default_auto_field = "django.db.models.BigAutoField"
