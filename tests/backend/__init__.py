"""A web server of our own that tests deliver to: the reference backend, and faults on demand.

`serving.py` is the server, `faults.py` what may go wrong, `multipart.py` takes bodies apart, `uploads.py` is the
backend's endpoint for archives and `page.py` shows what arrived. `platform.py` speaks
the WebSocket and the configuration, `whole.py` is all of it on one port, which `python -m tests.backend` runs.
"""
