"""Ciphers over many sectors at a time, against the library's own modes sector by sector."""

from __future__ import annotations

import random

import pytest

from tests.support.luks_image import encrypt
from triage.evidence.volumes.sector_ciphers import SectorShape, check_spec, dm_crypt_cipher

DATA = random.Random(9).randbytes(64 << 10)
KEY = bytes(range(64))


@pytest.mark.parametrize("first", (0, 1, (1 << 32) - 3, (1 << 64) - 64))
@pytest.mark.parametrize("sector_size", (512, 4096))
@pytest.mark.parametrize("spec", ("aes-xts-plain64", "aes-xts-plain", "aes-cbc-plain", "aes-cbc-essiv:sha256"))
def test_numbers_at_the_edges(spec: str, sector_size: int, first: int) -> None:
    key = KEY if "xts" in spec else KEY[:32]
    sealed = encrypt(spec, key, DATA[:8192], sector_size, first)
    cipher = dm_crypt_cipher(spec, key, SectorShape(sector_size, sector_size // 512))
    assert cipher.decrypt(sealed, first) == DATA[:8192]


@pytest.mark.parametrize("spec", ("aes-xts-plain64", "aes-cbc-essiv:sha256", "aes-cbc-benbi", "aes-ecb"))
def test_a_batch_is_its_sectors(spec: str) -> None:
    cipher = dm_crypt_cipher(spec, KEY if "xts" in spec else KEY[:32], SectorShape())
    single = b"".join(cipher.decrypt(DATA[at : at + 512], 77 + at // 512) for at in range(0, len(DATA), 512))
    assert cipher.decrypt(DATA, 77) == single


def test_xts_key_of_two_equal_halves_is_read() -> None:
    cipher = dm_crypt_cipher("aes-xts-plain64", bytes(64), SectorShape())
    assert cipher.decrypt(DATA[:512], 0) != DATA[:512]


def test_camellia_vector() -> None:
    """RFC 3713, 128 bits."""
    key = bytes.fromhex("0123456789abcdeffedcba9876543210")
    cipher = dm_crypt_cipher("camellia-ecb", key, SectorShape(16))
    assert cipher.decrypt(bytes.fromhex("67673138549669730857065648eabe43"), 0) == key


def test_xts_vector() -> None:
    """IEEE 1619, vector 2."""
    key = b"\x11" * 16 + b"\x22" * 16
    sealed = bytes.fromhex("c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0")
    cipher = dm_crypt_cipher("aes-xts-plain64", key, SectorShape(32))
    assert cipher.decrypt(sealed, 0x3333333333) == b"\x44" * 32


@pytest.mark.parametrize(
    ("spec", "length", "words"),
    (
        ("serpent-xts-plain64", 64, "cipher not read"),
        ("capi:xts(aes)-plain64", 64, "cipher not read"),
        ("rot13-ecb", 16, "unknown cipher"),
        ("aes-gcm-random", 32, "mode"),
        ("aes", 32, "mode"),
        ("", 32, "unknown"),
        ("aes-xts-plain64", 33, "length of a key"),
        ("aes-cbc-plain64", 64, "length of a key"),
        ("aes-cbc", 32, "start value"),
        ("aes-cbc-essiv", 32, "hash of the start value"),
        ("aes-cbc-essiv:sha1", 32, "hash of the start value"),
        ("aes-xts-eboiv", 64, "start value"),
        ("\x1b[31m-xts", 64, "unprintable"),
    ),
)
def test_what_is_not_read_is_named(spec: str, length: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_spec(spec, length)
