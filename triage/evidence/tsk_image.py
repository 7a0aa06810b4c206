"""Our streams as an image for The Sleuth Kit.

``pytsk3`` asks in pieces of up to 64 KiB. A subclass of its ``Img_Info`` with type *external* hands every request to
a :class:`~triage.model.stream.Stream`; no path of this machine is ever given to the library, so it cannot open
anything by itself.

Source: pytsk3 ``tsk3.c``, ``IMG_INFO_read`` and the image subclass example; TSK ``tsk/img/tsk_img.h``.
"""

from __future__ import annotations

import pytsk3

from triage.errors import EvidenceError
from triage.model.stream import Stream


class TskImage(pytsk3.Img_Info):  # type: ignore[misc]  # the C extension has no annotations
    """A stream that The Sleuth Kit reads as an image.

    Keep a reference to it for as long as a volume system or file system made from it is used. Closing it does not
    close the stream.

    Args:
        stream: Bytes of the image; offsets of the library are offsets into it.
        place: Where they lie in the media, and how many they are.

    Attributes:
        place: As handed in.
        failed: The error of the first read that the stream refused, or None; the library only sees a short read.
    """

    def __init__(self, stream: Stream, place: tuple[int, int] = (0, 0)) -> None:
        self._stream = stream
        self.place = place
        self._size = stream.size
        self.failed: EvidenceError | None = None
        super().__init__(url="", type=pytsk3.TSK_IMG_TYPE_EXTERNAL)

    def get_size(self) -> int:
        """Bytes in the image."""
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        """Read bytes for the library.

        Args:
            offset: Bytes from the start of the image.
            length: Bytes wanted.

        Returns:
            ``length`` bytes, fewer at the end of the image, none where the stream cannot give them; see ``failed``.
        """
        try:
            return self._stream.read_at(offset, length)
        except EvidenceError as error:
            if self.failed is None:
                self.failed = error
            return b""

    def close(self) -> None:
        """Nothing of its own to release."""
