"""What stands in one volume: a file system that is read, something recognised that is not, or nothing known.

Also the answer for media without a partition table: the whole of them is then one volume.
"""

from __future__ import annotations

from dataclasses import dataclass

from triage.errors import EvidenceError
from triage.evidence.filesystems import detect_damaged, detect_file_system
from triage.evidence.volumes import signatures
from triage.evidence.volumes.signatures import Recognition
from triage.model.stream import Stream

MAX_ZERO_SCAN = 64 << 20
"""Bytes up to which a volume whose samples are zeros is read whole before it is called empty."""
HIGH_ENTROPY = 7.9
"""Bits for each byte from which on the hint at encryption or compression is given; random bytes reach 8."""
_UNSURE = frozenset({"yaffs2", "yaffs"})
"""File systems that the library also sees where there is none."""
_PIECE = 1 << 20
_ZEROS = bytes(_PIECE)


@dataclass(frozen=True, slots=True)
class Content:
    """What stands in a volume.

    Attributes:
        file_system: Name of a file system that is read, empty where none.
        block_size: Bytes in its data unit.
        encryption: Method seen, empty where none.
        unsupported: What was recognised but is not read, or that nothing was; empty where all is well.
        hint: What to try.
        is_recognised: Something is known to be there.
        is_empty: Every byte is zero.
        is_unreadable: The media could not be read there.
        is_damaged: A file system that is read stands there by its signature or by copies of its first structures, but
            does not hold as it is.
        remains: Something that stands there as well and is not taken, in words.
    """

    file_system: str = ""
    block_size: int = 0
    encryption: str = ""
    unsupported: str = ""
    hint: str = ""
    is_recognised: bool = False
    is_empty: bool = False
    is_unreadable: bool = False
    is_damaged: bool = False
    remains: str = ""


_NOT_SIGNED = Content(unsupported="no signature of a file system")


class Prober:
    """Looks into volumes of one media; each place once.

    Args:
        media: Decoded media.
    """

    def __init__(self, media: Stream) -> None:
        self._media = media
        self._seen: dict[tuple[int, int], Content] = {}

    def look(self, start: int, length: int, *, only_signed: bool = False) -> Content:
        """What stands in a volume.

        Args:
            start: Byte of the media where the volume begins.
            length: Bytes of it; not beyond the media.
            only_signed: Do not search for a file system where no signature stands; much faster where there is none.
        """
        key = (start, length)
        content = self._seen.get(key)
        if content is None or (content is _NOT_SIGNED and not only_signed):
            try:
                content = self._look(start, length, only_signed)
            except EvidenceError as error:
                content = Content(unsupported=f"cannot be read: {error}", hint=error.hint or "", is_unreadable=True)
            self._seen[key] = content
        return content

    def _look(self, start: int, length: int, only_signed: bool) -> Content:
        media = self._media
        media.read_at(start, 1)  # raises where not even the beginning can be read
        early = signatures.recognise(media, start, length)
        if early is not None and early.offset < 512 and not early.keep_file_system:
            return _not_read(early)
        signed = signatures.recognise_readable(media, start, length)
        if signed is None and early is not None:
            return _not_read(early)
        if signed is None and only_signed:
            return _NOT_SIGNED
        if signed is None and self._is_empty(start, length):
            return Content(is_empty=True)
        name, block_size = detect_file_system(media, start, length)
        if early is not None and early.keep_file_system:
            return Content(name, block_size, early.name, "", early.hint, is_recognised=True)
        if name and name not in _UNSURE:
            behind = early or signatures.recognise_end(media, start, length)
            others = signatures.signed_besides(media, start, length, name)
            if behind is not None:
                others.append(f"{behind.name} metadata at {behind.offset}")
            remains = ", ".join(others)
            return Content(name, block_size, is_recognised=True, remains=remains)
        late = early or signatures.recognise_late(media, start, length)
        if late is not None:
            return _not_read(late)
        damaged, unit = detect_damaged(media, start, length)
        if damaged:
            return Content(damaged, unit, is_recognised=True, is_damaged=True)
        if name and signed is None:
            return Content(name, block_size, is_recognised=True)
        if signed is not None:
            return Content(unsupported=f"{signed.name}, damaged", hint=signed.hint, is_recognised=True, is_damaged=True)
        return self._nothing(start, length)

    def _nothing(self, start: int, length: int) -> Content:
        bits, zeros = signatures.entropy(self._media, start, length)
        if zeros:
            return Content(unsupported="no recognised file system (all samples are zeros)")
        if bits >= HIGH_ENTROPY:
            words = (
                f"no recognised file system (high entropy, {bits:.2f} bits per byte: may be encrypted or compressed)"
            )
            return Content(unsupported=words, hint="ask for passwords and key files; it may be a VeraCrypt volume")
        return Content(unsupported="no recognised file system", hint="carve it with another tool")

    def _is_empty(self, start: int, length: int) -> bool:
        """True where every byte is zero; large volumes are not read for it."""
        if length > MAX_ZERO_SCAN:
            return False
        for offset in range(start, start + length, _PIECE):
            piece = self._media.read_at(offset, min(_PIECE, start + length - offset))
            if piece != _ZEROS[: len(piece)]:
                return False
        return True


def _not_read(recognition: Recognition) -> Content:
    if recognition.encrypted:
        return Content(encryption=recognition.name, hint=recognition.hint, is_recognised=True)
    return Content(unsupported=recognition.name, hint=recognition.hint, is_recognised=True)
