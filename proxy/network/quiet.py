"""Keep the libraries from saying what they see.

pynetdicom logs identifiers at DEBUG and INFO, and its error messages quote values that could not be decoded;
pydicom warns with the value it finds wrong. This room says in its own words what an operator needs, so the
libraries' loggers stay shut at every level. Python's own way to silence warnings for a while (`catch_warnings`) is not
for threads: one that leaves lets another's through.
"""

import logging

from pydicom import config
from pynetdicom import _config

NEVER = logging.CRITICAL + 1


def hush() -> None:
    _config.LOG_HANDLER_LEVEL = "none"
    _config.LOG_REQUEST_IDENTIFIERS = False
    _config.LOG_RESPONSE_IDENTIFIERS = False
    _config.STORE_RECV_CHUNKED_DATASET = False  # it spools data sets, identities and all, in clear
    config.settings.reading_validation_mode = config.IGNORE
    for library in ("pynetdicom", "pydicom"):
        logging.getLogger(library).setLevel(NEVER)
