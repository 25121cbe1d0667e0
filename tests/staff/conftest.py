from tests.web.conftest import keys

__all__ = ["keys"]
