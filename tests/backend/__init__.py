"""Our side against the backend, and the reference backend itself, which lives in `proxy/management/demo/backend`.

`said.py` is what it says of a small site. `python -m tests.backend` runs it for developers.
"""
