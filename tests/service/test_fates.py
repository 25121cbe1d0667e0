"""Names of files become tokens, whatever a sender spells."""

import pytest

from proxy.service.fates import token


@pytest.mark.parametrize("name", ["half of \ud800 a character", "\udcff bytes", "\ud800\udcff both", "é"])
def test_any_name_has_a_token(name: str) -> None:
    """`filename*=unicode_escape''%5Cud800` spells half a character, and ended the whole request."""
    assert len(token("secret", name)) == 64
    assert token("secret", name) != token("secret", name + "x")
