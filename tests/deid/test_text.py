"""The first look at a text sees whatever the slow one would cut: it decides whether there is a slow one at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.deid.text import PATTERNS, cut_value, has_pattern
from tests.deid.build import cleaned, ct, read

LATIN_1, UTF_8 = b"ISO_IR 100", b"ISO_IR 192"
CODECS = {LATIN_1: "latin-1", UTF_8: "utf-8"}
MATCHES = st.from_regex(PATTERNS, alphabet=st.characters(codec="latin-1"))


@given(st.lists(MATCHES, min_size=1, max_size=2), st.sampled_from(sorted(CODECS)))
def test_promise_1_what_would_be_cut_is_seen(texts: list[str], charset: bytes) -> None:
    values = [text.encode(CODECS[charset]) for text in texts]
    if any(cut_value(value, charset, None, True) != value for value in values):
        assert has_pattern(values, charset)


@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 192", "ISO_IR 148", "GB18030"])
@pytest.mark.parametrize(
    "text",
    [
        "12 Oak Lane", "12 Oak Drive", "12 Oak Court", "12 Oak Square", "12 OAK STREET", "12 ELM ROAD", "7 ELM AVENUE",
        "Birkenweg 5", "Königsallee 12", "Bahnhofstraße 12", "3. März 2024", "3. März 24", "Frau Müller",
    ],
)  # fmt: skip
def test_promise_1_an_address_is_found_in_every_encoding(text: str, charset: str) -> None:
    ds = ct()
    ds.SpecificCharacterSet, ds.SeriesDescription = charset, f"Brain {text}"
    out, clean = cleaned(ds, "research")
    assert read(out, clean).SeriesDescription == "Brain"
