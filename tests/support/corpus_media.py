"""The images of the real-evidence corpus, unpacked; the corpus is not part of the repository."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import json
import lzma
import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

PIECE = 1 << 20
_OPENERS = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}


def corpus_folder() -> Path | None:
    """Where the corpus is: ``TRIAGE_CORPUS``, else beside the checkout; None where it is not there."""
    named = os.environ.get("TRIAGE_CORPUS")
    folder = Path(named) if named else Path(__file__).parents[2].parent / "shared" / "corpus"
    return folder if (folder / "images.jsonl").is_file() else None


def corpus_images() -> list[dict[str, Any]]:
    """One record for each image, empty without a corpus."""
    folder = corpus_folder()
    if folder is None:
        return []
    with (folder / "images.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def unpack(record: dict[str, Any], scratch: Path) -> Path:
    """The image of a record as a plain file; unpacked into ``scratch`` where it is packed.

    Raises:
        FileNotFoundError: The tool for its packing is not installed.
    """
    folder = corpus_folder()
    assert folder is not None
    packed = folder / record["image"]
    member, name = record["member"], Path(record["unpacked_name"] or packed.name).name
    target = scratch / name
    if record["image"] == "damaged/corrupt1.gz" or (not member and not record["unpacked_name"]):
        return packed
    if packed.suffix == ".zip":
        with zipfile.ZipFile(packed) as archive, archive.open(member) as source:
            _write(source, target)
    elif member:
        with tarfile.open(packed) as archive:
            info = archive.getmember(member)
            info.name = name
            archive.extract(info, scratch, filter="data")
    elif packed.suffix == ".zst":
        if shutil.which("zstd") is None:
            raise FileNotFoundError("zstd")
        subprocess.run(["zstd", "-q", "-d", str(packed), "-o", str(target)], check=True)
    else:
        with _OPENERS[packed.suffix](packed, "rb") as source:
            _write(source, target)
    return target


def _write(source: IO[bytes], target: Path) -> None:
    """Copy, holes for zeros; what came before where the source is damaged."""
    with target.open("wb") as out, contextlib.suppress(EOFError):
        size = 0
        for piece in _pieces(source):
            if piece.count(0) == len(piece):
                out.seek(len(piece), os.SEEK_CUR)
            else:
                out.write(piece)
            size += len(piece)
            out.truncate(size)


def _pieces(source: IO[bytes]) -> Iterator[bytes]:
    while piece := source.read(PIECE):
        yield piece
