"""The server of the reference backend, for tests that want another service with its faults."""

from proxy.management.demo.backend.serving import Reply, Request, Server, serving

__all__ = ["Reply", "Request", "Server", "serving"]
