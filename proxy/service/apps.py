from django.apps import AppConfig


class ServiceConfig(AppConfig):
    name = "proxy.service"
    label = "service"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from proxy.service.models import Hook  # noqa: PLC0415 - models can be imported only now
        from proxy.vault import wrapped  # noqa: PLC0415

        wrapped.join(Hook, "secret")
