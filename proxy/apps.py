from django.apps import AppConfig


class ProxyConfig(AppConfig):
    """The house itself: it has no tables, only the management commands."""

    name = "proxy"
    label = "proxy"
