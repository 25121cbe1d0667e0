"""What can be wrong with a document: it is none, it is huge, it was changed, it was signed by somebody else, a key
stands twice in it, its signature is cut."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from proxy.evidence.signing import FORMAT, NotEvidence, public_key, signed, verify

SEED, OTHER = bytes(range(32)), bytes(32)
STATEMENT = {"format": FORMAT, "study": {"study_uid": "2.25.1", "images": 1}, "images": [{"sha256": "ab"}]}
DOCUMENT = signed(STATEMENT, SEED)

scalars = st.none() | st.booleans() | st.integers() | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(st.dictionaries(st.text(), values))
def test_what_was_signed_is_what_is_verified(said: dict[str, object]) -> None:
    statement = {**said, "format": FORMAT}
    verified = verify(signed(statement, SEED), public_key(SEED))
    assert verified.statement == statement and verified.is_trusted


def test_without_a_trusted_key_it_says_by_whom() -> None:
    verified = verify(DOCUMENT)
    assert not verified.is_trusted and verified.key == public_key(SEED)


def test_anybody_can_verify_it_without_our_code() -> None:
    read = json.loads(DOCUMENT)
    said = json.dumps(read["statement"], sort_keys=True, separators=(",", ":")).encode()
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(read["signature"]["key"]))
    key.verify(bytes.fromhex(read["signature"]["value"]), said)


@given(st.integers(0, len(DOCUMENT) - 1), st.integers(1, 255))
def test_no_changed_byte_passes_as_something_else(at: int, by: int) -> None:
    changed = bytearray(DOCUMENT)
    changed[at] ^= by
    try:
        verified = verify(bytes(changed), public_key(SEED))
    except NotEvidence:
        return
    assert verified.statement == STATEMENT  # white space, or a hex digit's case


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_a_sentence(noise: bytes) -> None:
    with pytest.raises(NotEvidence):
        verify(noise)


def with_signature(**changes: str) -> bytes:
    read = json.loads(DOCUMENT)
    read["signature"].update(changes)
    return json.dumps(read).encode()


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"", "no evidence bundle"),
        (b"[" * 100_000, "no evidence bundle"),
        (b'{"statement": 1, "signature": 2}', "no evidence bundle"),
        (DOCUMENT.replace(b"postern-evidence/1", b"postern-evidence/9"), "format"),
        (DOCUMENT.replace(b'"images": 1', b'"images": 1, "images": 2'), "no evidence bundle"),
        (DOCUMENT.replace(b'"images": 1', b'"images": 2'), "changed after it was signed"),
        (with_signature(value="00" * 64), "changed after it was signed"),
        (with_signature(value="zz"), "no value"),
        (with_signature(key="ab"), "no key"),
        (with_signature(algorithm="none"), "format"),
    ],
)
def test_what_proves_nothing_says_why(document: bytes, why: str) -> None:
    with pytest.raises(NotEvidence, match=why):
        verify(document)


def test_another_signer_is_not_the_one_that_is_trusted() -> None:
    forged = signed({**STATEMENT, "images": []}, OTHER)
    assert verify(forged).key == public_key(OTHER)
    with pytest.raises(NotEvidence, match="another key"):
        verify(forged, public_key(SEED))


def test_what_is_too_large_is_not_even_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.evidence.signing.MOST", 10)
    with pytest.raises(NotEvidence, match="too large"):
        verify(DOCUMENT)
