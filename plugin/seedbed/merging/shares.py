"""Whole numbers that follow shares: the largest remainder method. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction


def apportioned(sizes: Mapping[str, int], ratio: Fraction) -> dict[str, int]:
    """Give each name its size times the ratio, rounded so that the sum is the rounded whole.

    Each is rounded down or up; up where the remainder is largest, of equal ones where the size is
    larger, then by name. Exact: no floating point is involved.
    """
    exact = {name: size * ratio for name, size in sizes.items()}
    whole = {name: share.numerator // share.denominator for name, share in exact.items()}
    n_left = _rounded(sum(exact.values(), Fraction())) - sum(whole.values())
    order = sorted(sizes, key=lambda name: (whole[name] - exact[name], -sizes[name], name))
    for name in order[:n_left]:
        whole[name] += 1
    return whole


def fraction(value: float) -> Fraction:
    """Return the short decimal that a person wrote, exactly: 0.3 is 3/10."""
    return Fraction(str(value))


def _rounded(value: Fraction) -> int:
    """Round to the nearest whole number, halves up."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)
