from django.apps import AppConfig


class RetrievalConfig(AppConfig):
    name = "proxy.retrieval"
    label = "retrieval"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from proxy.retrieval.home import waking  # noqa: PLC0415 - models can be imported only now
        from proxy.routing import breaker  # noqa: PLC0415

        breaker.back.connect(waking.drain)
