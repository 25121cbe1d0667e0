from django.apps import AppConfig


class DeliveriesConfig(AppConfig):
    name = "proxy.deliveries"
    label = "deliveries"
    default_auto_field = "django.db.models.BigAutoField"
