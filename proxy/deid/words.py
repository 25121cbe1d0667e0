"""Words that are names too, but say something clinical or technical far more often: never hunted alone."""

from importlib.resources import files
from typing import Final

COMMON: Final = frozenset(
    (files("proxy.deid.tables") / "common_words.txt").read_text(encoding="utf-8").split()
)
