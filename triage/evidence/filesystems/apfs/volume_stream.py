"""Content of an encrypted volume of APFS: extents, decrypted. Format: see :mod:`.objects`."""

from __future__ import annotations

from collections.abc import Sequence

from triage.errors import ReadFailedError
from triage.evidence.filesystems.apfs.records import Extent
from triage.evidence.filesystems.apfs.state import Cipher
from triage.evidence.filesystems.run_stream import RunStream
from triage.model.byte_run import ByteRun
from triage.model.stream import Stream

SECTOR = 512


class DecryptedRuns(RunStream):
    """Bytes of a file; holes and what no extent covers are zeros.

    Args:
        media: Bytes of the container.
        extents: By ``offset``, not overlapping.
        size: Bytes of the content.
        cipher: Of the volume.
        block_size: Bytes; a block is decrypted as a whole.
    """

    def __init__(self, media: Stream, extents: Sequence[Extent], size: int, cipher: Cipher, block_size: int) -> None:
        runs = [
            ByteRun(extent.offset, extent.block * block_size if extent.block else -1, -1, extent.length)
            for extent in extents
        ]
        super().__init__(media, runs, size)
        self._tweaks = {extent.offset: extent.tweak for extent in extents}
        self._cipher = cipher
        self._block = block_size

    def _piece(self, run: ByteRun, offset: int, length: int, before: Sequence[bytes]) -> bytes:
        """Bytes of one run, decrypted; nothing of a piece that cannot be read whole."""
        if run.fs_offset < 0:
            return bytes(length)
        inside = offset - run.file_offset
        first = inside // self._block
        count = -(-(inside + length) // self._block) - first
        place = run.fs_offset + first * self._block
        try:
            data = self._volume.read_at(place, count * self._block)
        except ReadFailedError as error:
            raise ReadFailedError(error.message, hint=error.hint, partial=b"".join(before)) from error
        if len(data) < count * self._block:
            words = f"the content lies beyond the end of the container: {length} bytes at {place}"
            raise ReadFailedError(words, hint="the image may be cut short", partial=b"".join(before))
        plain = self._cipher.decrypt(data, (self._tweaks[run.file_offset] + first) * (self._block // SECTOR))
        start = inside - first * self._block
        return plain[start : start + length]
