"""Bytes as lines of hex and ASCII, as ``xxd`` and ``hexdump -C`` print them."""

from __future__ import annotations


def hex_lines(data: bytes, base_offset: int, *, per_line: int = 16) -> list[str]:
    """Lines of offset, hex and ASCII.

    Args:
        data: The bytes.
        base_offset: Offset of the first byte, 0 or more; it need not be a multiple of ``per_line``.
        per_line: Bytes in a line, 1 or more; a line of 16 takes 78 columns below 4 GiB, one of 4 takes 30.

    Returns:
        Printable ASCII lines, one for each ``per_line`` bytes.
    """
    digits = max(8, len(f"{base_offset + max(0, len(data) - 1):x}"))
    hex_columns = 3 * per_line - 1 + (1 if per_line > 8 else 0)
    lines = []
    for start in range(0, len(data), per_line):
        piece = data[start : start + per_line]
        left, right = piece[:8], piece[8:]
        hexed = left.hex(" ") + ("  " + right.hex(" ") if right else "")
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in piece)
        lines.append(f"{base_offset + start:0{digits}x}  {hexed:<{hex_columns}}  |{shown}|")
    return lines
