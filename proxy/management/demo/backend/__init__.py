"""The reference backend: one real server with the whole contract (docs/backend.md), on a port of loopback.

`make demo` delivers to it, tests and developers of integrations talk to it, and it misbehaves when told to. Whoever
asks gets what was uploaded: a subject is a pseudonym, a session a study, a scan a series, with these as their ids.

`serving.py` is the server and `faults.py` what it may do wrong; `platform.py` is the platform: its WebSocket
(`talking.py`), its REST (`answers.py`) on what was uploaded (`uploads.py`, `holdings.py`), and a page of it
(`page.py`). `python -m tests.backend` runs it.
"""
