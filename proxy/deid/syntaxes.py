"""Transfer syntaxes that a data set is read or written in another way for (PS3.5 A)."""

from typing import Final

IMPLICIT: Final = "1.2.840.10008.1.2"
BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
