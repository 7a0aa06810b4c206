"""Selectors that may belong to a possible victim are masked, everything an examiner needs is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.reporters.masking import mask_selectors


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("call +359 88 000 0141 now", "call +••• •• ••• •141 now"),
        ("+44 (0)7700-900123", "+•• (•)••••-•••123"),
        ("tel.0888000141", "tel.•••••••141"),
        ("هاتف ٠٧٩٠٠٠٠١٢٣", "هاتف •••••••١٢٣"),
        ("maria.k@example.com!", "m••••••@example.com!"),
        ("<x@example.org>", "<•@example.org>"),
        ("359880000141@s.whatsapp.net", "3•••••••••••@s.whatsapp.net"),
        ("card 4111 1111 1111 1111.", "card •••• •••• •••• •111."),
        ("DE89 3704 0044 0532 0130 00", "DE•• •••• •••• •••• •••0 00"),
        ("p2:/WhatsApp/359880000141.vcf", "p2:/WhatsApp/•••••••••141.vcf"),
    ],
)
def test_selectors_are_masked_to_their_last_characters(text: str, shown: str) -> None:
    assert mask_selectors(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-20T21:40:00Z and 20.03.2024 21:40",
        "2024-03-20 21:40:00.123456",
        "IMG_20240320_214000.jpg IMG-20240320-WA0001",
        "laptop.E01 p2:$unallocated@4096000000+65536000",
        "f-123456789012 and f-3c9a12345678",
        "md5 9e107d9d372bb6826bd81d3542a419d6",
        "550e8400-e29b-41d4-a716-446655440000",
        "S-1-5-21-1004336348-1177238915-682003330-512",
        "3000 лева, 28000元, 60/40, capped at 0.400000, +0.310000",
        "no number at all",
    ],
)
def test_dates_places_digests_and_small_numbers_stay(text: str) -> None:
    assert mask_selectors(text) == text


@given(st.text(st.characters(codec=None), max_size=120))
def test_property_length_is_kept_so_positions_hold(text: str) -> None:
    assert len(mask_selectors(text)) == len(text)


@given(st.from_regex(r"\+[1-9][0-9]{9,13}", fullmatch=True))
def test_property_no_international_number_survives(number: str) -> None:
    shown = mask_selectors(f"x {number} y")
    assert number not in shown
    assert shown.endswith(number[-3:] + " y")


@pytest.mark.parametrize(
    "text", ["1" * 200_000, "a@" * 60_000, "1 " * 100_000, "a" * 200_000 + "@", "a." * 90_000 + "@x"]
)
def test_u03_long_runs_do_not_hang(text: str) -> None:
    """A quadratic pattern would need hours here."""
    assert len(mask_selectors(text)) == len(text)
