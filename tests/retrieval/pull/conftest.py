from tests.reception.conftest import data

__all__ = ["data"]
