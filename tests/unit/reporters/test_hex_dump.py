"""Hex lines equal those of the usual tools."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from triage.reporters.hex_dump import hex_lines


def test_a_full_and_a_short_line() -> None:
    assert hex_lines(bytes(range(16)) + b"AB\x7f", 0x4B0) == [
        "000004b0  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  |................|",
        "000004c0  41 42 7f                                          |AB.|",
    ]


def test_nothing_gives_no_line_and_large_offsets_widen() -> None:
    assert hex_lines(b"", 5) == []
    assert hex_lines(b"x", 2**40)[0].startswith("10000000000  78")


def test_short_lines_for_narrow_terminals() -> None:
    assert hex_lines(b"abcdef", 0, per_line=4) == ["00000000  61 62 63 64  |abcd|", "00000004  65 66        |ef|"]
    assert max(map(len, hex_lines(bytes(256), 0, per_line=8))) <= 46
    assert max(map(len, hex_lines(bytes(256), 0))) <= 80


def test_lines_hold_printable_ascii_only() -> None:
    assert all(line.isascii() and line.isprintable() for line in hex_lines(bytes(range(256)), 0))


@pytest.mark.skipif(shutil.which("hexdump") is None, reason="needs hexdump")
def test_oracle_hexdump_prints_the_same() -> None:
    data = bytes(range(200))
    printed = (
        subprocess.run(["hexdump", "-C"], input=data, capture_output=True, check=True).stdout.decode().splitlines()
    )
    assert hex_lines(data, 0) == printed[:-1]
