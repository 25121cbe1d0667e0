from django.apps import AppConfig


class StaffConfig(AppConfig):
    name = "proxy.staff"
    label = "staff"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from proxy.staff import accounts  # noqa: PLC0415 - models are there now

        accounts.connect()
