"""What every extractor shares.

An extractor is a module with a function ``extract(content_type, data)`` that gives text segments and never raises.
It gives nothing where the text says no more than the raw bytes, which are searched in all encodings anyway.

The map of a segment: ``offsets`` holds ``(text index, byte offset)`` where a run begins. Within a run every character
takes as many bytes as it takes in ``encoding``. A character that the bytes spell in another way (an entity, an escape)
begins a run of its own and need not exist in ``encoding``. A break that stands for markup (newline, tab, blank) lies
at the byte behind the text in front of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from triage.model.content import ContentType, TextSegment

Data = bytes | memoryview
ExtractFunction = Callable[[ContentType, Data], tuple[TextSegment, ...]]

MAX_BYTES = 64 << 20
"""Bytes of a content that are turned into text; a segment cut there says so in its label."""
MAX_RUNS = 500_000
"""Runs of one segment; a segment cut there says so in its label."""


@dataclass(frozen=True, slots=True)
class Extractor:
    """One extractor as the registry holds it.

    Attributes:
        name: Name.
        module: Module that holds ``extract``, imported on first use.
        mimes: Media types that it reads; an entry that begins with ``+`` is the end of a type.
        summary: What it reads, one line.
    """

    name: str
    module: str
    mimes: tuple[str, ...]
    summary: str


def cut_label(label: str, size: int, runs: int) -> str:
    """The label of a segment, with the limit at which it was cut, if any.

    Args:
        label: Of the part.
        size: Bytes of the content.
        runs: Runs of the segment.
    """
    cut = f"cut at {MAX_BYTES >> 20} MiB" if size > MAX_BYTES else f"cut at {MAX_RUNS} runs" if runs >= MAX_RUNS else ""
    return ", ".join(filter(None, (label, cut)))
