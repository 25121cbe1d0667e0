from django.apps import AppConfig


class DeliveriesConfig(AppConfig):
    name = "proxy.deliveries"
    label = "deliveries"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from proxy.deliveries import queue  # noqa: PLC0415 - models can be imported only now
        from proxy.routing import breaker  # noqa: PLC0415

        breaker.back.connect(queue.drain)
