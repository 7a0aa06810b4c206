"""Decompression to the end of a stream: only there stands the checksum.

A decoder that is asked for no more bytes than a block may have stops there. Where the data are damaged so that they
would give more, its checksum is then never looked at, and what came out looks sound.
"""

from __future__ import annotations

from typing import Protocol


class Machine(Protocol):
    """What ``zlib``, ``bz2`` and ``lzma`` have in common."""

    @property
    def eof(self) -> bool:
        """The end of the stream was reached."""
        ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Feed bytes, take at most so many."""
        ...


def decompress_whole(machine: Machine, data: bytes, limit: int) -> bytes:
    """Bytes of a stream that ends within a limit.

    Args:
        machine: Fresh decoder.
        data: The stream; what follows it is left alone.
        limit: Most bytes that it may give; nothing is decoded where it is not positive.

    Raises:
        EOFError: The stream is cut short, or gives more.
        Exception: As the decoder raises, for damage and for a checksum that does not fit.
    """
    if limit <= 0:
        return b""
    out = machine.decompress(data, limit)
    if not machine.eof and (machine.decompress(getattr(machine, "unconsumed_tail", b""), 1) or not machine.eof):
        raise EOFError(f"the compressed data do not end after {len(out)} bytes")
    return out
