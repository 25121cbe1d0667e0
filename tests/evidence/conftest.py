from tests.reception.conftest import data, route

__all__ = ["data", "route"]
