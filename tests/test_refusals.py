"""What is raised is made when it is raised."""

import importlib
import sys


def test_no_exception_waits_to_be_raised_twice() -> None:
    """With its traceback it would keep what the last request held: an image, a name."""
    importlib.import_module("config.urls")
    ours = [one for name, one in list(sys.modules.items()) if name.startswith("proxy.")]
    everything = [(f"{one.__name__}.{name}", value) for one in ours for name, value in vars(one).items()]
    assert [name for name, value in everything if isinstance(value, BaseException)] == []
