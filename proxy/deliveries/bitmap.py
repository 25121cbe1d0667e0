"""The progress of a delivery: one bit for each ordinal, the lowest bit of the first byte is ordinal 0."""

from collections.abc import Iterable, Sequence


def mark(bits: bytes, ordinals: Iterable[int], total: int) -> bytes:
    """The same bits with these set, as long as `total` needs. Other ordinals are a mistake of the caller."""
    marked = bytearray(bits.ljust((total + 7) // 8, b"\0"))
    for ordinal in ordinals:
        if not 0 <= ordinal < total:
            raise ValueError(f"Ordinal {ordinal} is not of a revision of {total} instances.")
        marked[ordinal >> 3] |= 1 << (ordinal & 7)
    return bytes(marked)


def cleared(bits: bytes, ordinals: Iterable[int]) -> bytes:
    """The same bits without these."""
    left = bytearray(bits)
    for ordinal in ordinals:
        if ordinal >> 3 < len(left):
            left[ordinal >> 3] &= ~(1 << (ordinal & 7))
    return bytes(left)


def picked(bits: bytes, ordinals: Sequence[int]) -> bytes:
    """The bits of these, in this order, from ordinal 0 on."""
    return mark(b"", (place for place, one in enumerate(ordinals) if has(bits, one)), len(ordinals))


def ordinals(bits: bytes) -> list[int]:
    return [ordinal for ordinal in range(8 * len(bits)) if has(bits, ordinal)]


def has(bits: bytes, ordinal: int) -> bool:
    byte = ordinal >> 3
    return byte < len(bits) and bool(bits[byte] >> (ordinal & 7) & 1)


def count(bits: bytes) -> int:
    return int.from_bytes(bits, "little").bit_count()


def missing(bits: bytes, total: int) -> list[int]:
    return [ordinal for ordinal in range(total) if not has(bits, ordinal)]
