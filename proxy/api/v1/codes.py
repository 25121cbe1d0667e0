"""With which problems the doors of `/v1` may end, by what is asked there."""

from typing import Final

LIST: Final = (400, 401, 403, 429)
ONE: Final = (400, 401, 403, 404, 429)
ACT: Final = (400, 401, 403, 404, 409, 411, 413, 415, 429)
PERSON: Final = (400, 401, 403, 404, 409, 410, 411, 413, 415, 429)
OWN: Final = (400, 401, 409, 411, 413, 415, 429)
"""What a customer decides about itself."""
