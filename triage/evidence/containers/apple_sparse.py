"""Apple sparse images (``.sparseimage``): bands in the order written, found by index nodes.

The header is the first node; further nodes follow when a node is full. The n-th number of a node names the band that
its n-th place behind the node holds, counted from 1; 0 is an empty place.

Source: "Mac OS sparse image (.sparseimage) format" (Joachim Metz); for further nodes the structures that readers of
the format under free licences declare.
"""

from __future__ import annotations

import struct
from array import array
from pathlib import Path

from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.containers.beside import Beside
from triage.evidence.containers.mapped_container import MAX_MEDIA, DiskContainer, mapped, open_by_path
from triage.evidence.containers.mapped_stream import Kind, Piece, zeros
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream

SIGNATURE = b"sprs"
STAGE = "evidence/apple-sparse"
NODE = 4096
MAX_BANDS = 1 << 22
_FIRST, _NEXT = 0x40, 0x38
"""Where the numbers begin in the header and in a further node."""


class SparseImageMap:
    """The bands of an image; see :class:`~triage.evidence.containers.mapped_stream.BlockMap`.

    Args:
        stream: The file.

    Raises:
        UnsupportedFormatError: Another version.
        CorruptStructureError: The header does not hold.
    """

    def __init__(self, stream: Stream) -> None:
        head = stream.read_at(0, NODE)
        if len(head) < NODE:
            raise CorruptStructureError("damaged Apple sparse image: the header is cut short")
        version, per_band, _, low, following, total = struct.unpack_from(">IIIIQQ", head, 4)
        if version != 3:
            raise UnsupportedFormatError(f"Apple sparse image version {version}, which is not read")
        sectors = total if total and total & 0xFFFFFFFF == low else low
        self.size = sectors * 512
        self.parent: Stream | None = None
        self.trouble = ""
        self.band = per_band * 512
        self._stream = stream
        count = -(-sectors // per_band) if per_band else 0
        if not 0 < self.size < MAX_MEDIA or not 512 <= self.band <= 1 << 30 or count > MAX_BANDS:
            raise CorruptStructureError(
                f"damaged Apple sparse image: bands of {self.band} bytes for media of {self.size}",
                hint="compare with another copy of the image",
            )
        self._places = array("q", bytes(8 * count))
        self._index(head[_FIRST:], 0)
        self._follow(following)

    def _index(self, numbers: bytes, node: int) -> None:
        """Note the bands of a node; a number that is too large or comes twice is damage."""
        for place, (number,) in enumerate(struct.iter_unpack(">I", numbers)):
            if not number:
                continue
            if number > len(self._places) or self._places[number - 1]:
                self.trouble = self.trouble or f"the index names band {number} where there is none, or twice"
                continue
            self._places[number - 1] = node + NODE + place * self.band

    def _follow(self, following: int) -> None:
        """Further nodes, each once, ascending as they are written."""
        before = 0
        while following:
            node = self._stream.read_at(following, NODE)
            if following <= before or len(node) < NODE or node[:4] != SIGNATURE:
                self.trouble = self.trouble or f"no index node at {following}"
                return
            self._index(node[_NEXT:], following)
            before, following = following, int.from_bytes(node[12:20], "big")

    def piece(self, offset: int) -> Piece:
        """What lies at an offset."""
        number, inside = divmod(offset, self.band)
        place = self._places[number]
        left = self.band - inside
        return Piece(Kind.STORED, left, self._stream, place + inside) if place else zeros(left)

    def unpack(self, key: int) -> bytes:
        """Never asked for: nothing is compressed."""
        raise ValueError(f"no compressed band {key}")


def is_image(head: bytes, stream: Stream) -> bool:
    """True for the signature of a sparse image."""
    del stream
    return head.startswith(SIGNATURE)


def detect(head: bytes, paths: tuple[Path, ...]) -> bool:
    """True for the signature of a sparse image."""
    return len(paths) == 1 and head.startswith(SIGNATURE)


def open_container(paths: tuple[Path, ...], evidence_name: str) -> DiskContainer:
    """An Apple sparse image.

    Raises:
        SourceNotFoundError: The file cannot be read.
        UnsupportedFormatError: Another version.
        CorruptStructureError: The header does not hold.
    """
    return open_by_path(paths, evidence_name, open_stream)


def open_stream(stream: Stream, name: str, beside: Beside | None = None) -> DiskContainer:
    """An Apple sparse image in a stream.

    Args:
        stream: The image; stays the caller's to close.
        name: Name of the evidence, for Problems.
        beside: Not needed.

    Raises:
        EvidenceError: See :func:`open_container`.
    """
    del beside
    block_map = SparseImageMap(stream)
    problems: tuple[Problem, ...] = ()
    if block_map.trouble:
        hint = "compare with another copy of the image; bands that the index does not name read as zeros"
        problems = (Problem(name, STAGE, Reason.CORRUPT, block_map.trouble, hint),)
    return mapped("apple-sparse", block_map, name, {"band_size": str(block_map.band)}, problems)
