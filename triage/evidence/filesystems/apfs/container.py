"""Containers of APFS: superblocks of all checkpoints, volumes, free space. Format: see :mod:`.objects`."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from triage.errors import CorruptStructureError, EvidenceError, UnsupportedFormatError
from triage.evidence.filesystems.apfs.objects import (
    CHECKPOINT_MAP,
    CHUNK_INFO,
    MAX_BLOCK,
    MIN_BLOCK,
    NX_SUPERBLOCK,
    SPACEMAN,
    Blocks,
    is_sound,
    read_header,
)
from triage.evidence.filesystems.apfs.omap import ObjectMap
from triage.evidence.filesystems.free_bits import free_bits, joined
from triage.model.stream import Stream

MAGIC = b"NXSB"
MAX_DESCRIPTORS = 1 << 16
MAX_VOLUMES = 100
MAX_CHUNKS = 1 << 24
MAX_OBJECT = 1 << 26

_FUSION = 0x100
_TREE_AREA = 1 << 31


@dataclass(frozen=True, slots=True)
class Superblock:
    """A superblock of a container, of one checkpoint.

    Attributes:
        block_size: Bytes.
        blocks: In the container.
        identifier: 16 bytes.
        transaction: Of the checkpoint.
        descriptors: First block and number of blocks of the descriptor area.
        current: First of the checkpoint's blocks in the descriptor area, counted in it, and their number.
        spaceman: Identifier of the space manager.
        omap: Block of the object map.
        volumes: Identifiers.
        keybag: First block and number of blocks, 0 where there is none.
        fusion: Identifier of the Fusion set, zeros where it is none; its last bit tells the device.
    """

    block_size: int
    blocks: int
    identifier: bytes
    transaction: int
    descriptors: tuple[int, int]
    current: tuple[int, int]
    spaceman: int
    omap: int
    volumes: tuple[int, ...]
    keybag: tuple[int, int]
    fusion: bytes

    @classmethod
    def parse(cls, block: bytes) -> Superblock:
        """From the bytes of a block.

        Raises:
            CorruptStructureError: It is no superblock.
        """
        if len(block) < 1408 or block[32:36] != MAGIC:
            raise CorruptStructureError("APFS: no container superblock")
        block_size, blocks = struct.unpack_from("<IQ", block, 36)
        if not MIN_BLOCK <= block_size <= MAX_BLOCK or block_size & (block_size - 1):
            raise CorruptStructureError(f"APFS: impossible size of blocks: {block_size}")
        count, _, base = struct.unpack_from("<IIQ", block, 104)
        index, used = struct.unpack_from("<II", block, 136)
        spaceman, omap = struct.unpack_from("<QQ", block, 152)
        most = min(MAX_VOLUMES, struct.unpack_from("<I", block, 180)[0])
        return cls(
            block_size,
            blocks,
            block[72:88],
            read_header(block).transaction,
            (base, count),
            (index, used),
            spaceman,
            omap,
            tuple(number for number in struct.unpack_from(f"<{most}Q", block, 184) if number),
            struct.unpack_from("<QQ", block, 1296),
            block[1280:1296] if struct.unpack_from("<Q", block, 64)[0] & _FUSION else bytes(16),
        )


class Container:
    """One container.

    Args:
        stream: Its bytes; stays the caller's to close.
        others: Other volumes, among them the second device of a Fusion drive.

    Attributes:
        superblock: The newest that holds.
        checkpoints: All that hold, newest first.
        warnings: What did not hold, in words.

    Raises:
        CorruptStructureError: No superblock holds.
        UnsupportedFormatError: The stream is the second device of a Fusion drive.
        ReadFailedError: The first block cannot be read.
    """

    def __init__(self, stream: Stream, others: Sequence[Stream] = ()) -> None:
        head = stream.read_at(0, MAX_BLOCK)
        first = Superblock.parse(head)
        self.warnings: list[str] = []
        second = None
        if any(first.fusion):
            if first.fusion[15] & 1:
                raise UnsupportedFormatError("APFS: second device of a Fusion drive, read together with its first")
            second = _second_device(first.fusion, others)
        self.blocks = Blocks(stream, first.block_size, second)
        self.checkpoints = self._checkpoints(first, is_sound(head[: first.block_size]))
        self.superblock = self.checkpoints[0]
        self.omap = ObjectMap(self.blocks, self.superblock.omap)

    def _checkpoints(self, first: Superblock, sound: bool) -> list[Superblock]:
        """Superblocks in the descriptor area and the one in block 0, newest first."""
        found = {first.transaction: first} if sound else {}
        if not sound:
            self.warnings.append("the checksum of the superblock in block 0 does not fit")
        base, count = first.descriptors
        if count & _TREE_AREA or count > MAX_DESCRIPTORS:
            self.warnings.append("the checkpoint area is kept in a tree, which is not read")
            count = 0
        for number in range(base, base + count):
            try:
                block = self.blocks.read(number)
                if block[32:36] != MAGIC or read_header(block).kind != NX_SUPERBLOCK or not is_sound(block):
                    continue
                superblock = Superblock.parse(block)
            except EvidenceError as error:
                self.warnings.append(error.message)
                break
            if superblock.block_size == first.block_size:
                found[superblock.transaction] = superblock
        if not found:
            raise CorruptStructureError("APFS: no superblock of the container has a right checksum")
        return [found[transaction] for transaction in sorted(found, reverse=True)]

    def ephemeral(self, identifier: int) -> bytes:
        """Bytes of an object that the current checkpoint has written.

        Raises:
            CorruptStructureError: The checkpoint does not name it.
            EvidenceError: The checkpoint cannot be read.
        """
        base, count = self.superblock.descriptors
        index, used = self.superblock.current
        for place in range(min(used, count)):
            block = self.blocks.read(base + (index + place) % count)
            if not is_sound(block) or read_header(block).kind != CHECKPOINT_MAP:
                continue
            entries = min(struct.unpack_from("<I", block, 36)[0], (len(block) - 40) // 40)
            for entry in range(entries):
                size, found, address = struct.unpack_from("<I12xQQ", block, 40 + 40 * entry + 8)
                if found == identifier:
                    return self._whole(address, size)
        raise CorruptStructureError(f"APFS: the checkpoint does not hold object {identifier}")

    def _whole(self, block: int, size: int) -> bytes:
        """An object of several blocks."""
        if size > MAX_OBJECT:
            raise CorruptStructureError(f"APFS: object of {size} bytes")
        data = self.blocks.read(block, max(1, -(-size // self.superblock.block_size)))
        if not is_sound(data):
            raise CorruptStructureError(f"APFS: the checksum of the object at block {block} does not fit")
        return data

    # --- free space ---------------------------------------------------------------------------------------------
    def free_runs(self) -> Iterator[tuple[int, int]]:
        """Space that no volume uses: offset and length, bytes, ascending; of the main device only.

        Raises:
            EvidenceError: The space manager does not hold or cannot be read.
        """
        size = self.superblock.block_size
        for first, count in joined(self._free_blocks()):
            yield first * size, count * size

    def _free_blocks(self) -> Iterator[tuple[int, int]]:
        head = self.ephemeral(self.superblock.spaceman)
        if read_header(head).kind != SPACEMAN:
            raise CorruptStructureError("APFS: the space manager is none")
        device = struct.unpack_from("<QQIIQI", head, 48)
        chunks, infos, lists, place = device[1], device[2], device[3], device[5]
        if chunks > MAX_CHUNKS or infos > MAX_CHUNKS:
            raise CorruptStructureError(f"APFS: the space manager has {chunks} chunks")
        addresses = self._addresses(head, place, lists or infos)
        if lists:
            below = [self.blocks.read_object(number) for number in addresses]
            addresses = [address for block in below for address in self._addresses(block, 40, _count(block))]
        per = self.superblock.block_size * 8
        for address in addresses:
            block = self.blocks.read_object(address, CHUNK_INFO)
            for entry in range(min(_count(block), (len(block) - 40) // 32)):
                transaction, first, count, free, bitmap = struct.unpack_from("<QQIIQ", block, 40 + 32 * entry)
                del transaction
                if not bitmap:
                    yield first, count & 0xFFFFF
                elif free & 0xFFFFF:
                    bits = self.blocks.read(bitmap)
                    yield from ((first + start, many) for start, many in free_bits(bits, min(per, count & 0xFFFFF)))

    @staticmethod
    def _addresses(block: bytes, place: int, count: int) -> list[int]:
        if place + 8 * count > len(block):
            raise CorruptStructureError("APFS: the space manager names more than it has room for")
        return list(struct.unpack_from(f"<{count}Q", block, place))


def _count(block: bytes) -> int:
    """Entries of a block of chunk information, or of a list of such blocks."""
    return int(struct.unpack_from("<I", block, 36)[0])


def _second_device(fusion: bytes, others: Sequence[Stream]) -> Stream | None:
    for stream in others:
        try:
            superblock = Superblock.parse(stream.read_at(0, MIN_BLOCK))
        except EvidenceError:
            continue
        if any(superblock.fusion) and superblock.fusion != fusion and superblock.fusion[:15] == fusion[:15]:
            return stream
    return None
