"""Second looks: kinds whose first bytes alone do not settle what they are.

Every function takes the head of a content and its size in bytes, reads no further than the head, never raises and
returns a kind or None. Nothing here follows a claim in the data further than a bounded number of steps.
"""

from __future__ import annotations

import re
import zlib
from struct import unpack_from

from triage.content.kinds import KINDS, Kind

_BRANDS = {
    b"heic": "heic", b"heix": "heic", b"hevc": "heic", b"hevx": "heic", b"heim": "heic", b"mif1": "heic",
    b"msf1": "heic", b"avif": "avif", b"avis": "avif", b"qt  ": "mov", b"M4A ": "m4a", b"M4B ": "m4a",
    b"M4P ": "m4a", b"jp2 ": "jp2", b"jpx ": "jp2", b"crx ": "tiff",
}  # fmt: skip
_BOXES = frozenset((b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"))
_BMP_HEADERS = frozenset((12, 40, 52, 56, 64, 108, 124))


def riff(head: bytes, size: int) -> Kind | None:
    """WebP, WAV, AVI."""
    return {b"WEBP": KINDS["webp"], b"WAVE": KINDS["wav"], b"AVI ": KINDS["avi"]}.get(head[8:12])


def iff(head: bytes, size: int) -> Kind | None:
    """AIFF."""
    return KINDS["aiff"] if head[8:12] in (b"AIFF", b"AIFC") else None


def iso_media(head: bytes, size: int) -> Kind | None:
    """MPEG-4, QuickTime, 3GP, HEIF: by the brands of the ``ftyp`` box at offset 4, or an old QuickTime box there."""
    box = head[4:8]
    if box == b"ftyp":
        brand = head[8:12]
        if brand[:2] == b"3g":
            return KINDS["3gp"]
        if brand == b"mif1" and b"avif" in head[16:64]:
            return KINDS["avif"]
        return KINDS[_BRANDS.get(brand, "mp4")]
    if box in _BOXES and unpack_from(">I", head, 0)[0] <= max(size, 8):
        return KINDS["mov"]
    return None


def matroska(head: bytes, size: int) -> Kind | None:
    """WebM or Matroska, by the document type in the EBML header."""
    return KINDS["webm"] if b"webm" in head[:64] else KINDS["mkv"]


def ogg(head: bytes, size: int) -> Kind | None:
    """Opus, video or other sound in an Ogg file, by the first packet."""
    first = head[28:40]
    if first.startswith(b"OpusHead"):
        return KINDS["opus"]
    return KINDS["ogv" if first.startswith((b"\x80theora", b"\x01video", b"fishead")) else "ogg"]


def mpeg_audio(head: bytes, size: int) -> Kind | None:
    """MP3 without a tag: a second frame header must follow where the first one says."""
    if len(head) < 4:
        return None
    second, third = head[1], head[2]
    if second & 6 == 0:
        return KINDS["aac"] if third >> 2 & 15 < 13 and second & 0xF0 == 0xF0 else None
    bitrate, rate = third >> 4, third >> 2 & 3
    if bitrate in (0, 15) or rate == 3 or second & 0x18 == 8:
        return None
    version1, layer = second & 8, 4 - (second >> 1 & 3)
    if layer != 3:
        return KINDS["mp3"] if second >> 5 == 7 and size > 512 else None
    table = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
    slow = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
    frequency = (44100, 48000, 32000)[rate] // (1 if version1 else 2 if second & 0x10 else 4)
    length = (144 if version1 else 72) * (table if version1 else slow)[bitrate - 1] * 1000 // frequency
    following = head[length + (third >> 1 & 1) :][:2]
    return KINDS["mp3"] if len(following) < 2 or (following[0] == 0xFF and following[1] & 0xE0 == 0xE0) else None


def windows_bitmap(head: bytes, size: int) -> Kind | None:
    """BMP: the header size must be one that exists."""
    return KINDS["bmp"] if len(head) >= 26 and unpack_from("<I", head, 14)[0] in _BMP_HEADERS else None


def windows_icon(head: bytes, size: int) -> Kind | None:
    """ICO or CUR: few pictures, the first of which lies inside the file."""
    if len(head) < 22:
        return None
    count, length, offset = unpack_from("<H", head, 4)[0], *unpack_from("<II", head, 14)
    return KINDS["ico"] if 0 < count < 256 and head[9] == 0 and length and 22 <= offset < max(size, 23) else None


def dos_program(head: bytes, size: int) -> Kind | None:
    """PE where the new header is there, else a DOS program with a plausible header."""
    if len(head) < 64:
        return KINDS["mz"] if size < 64 and len(head) > 27 else None
    new_header = unpack_from("<I", head, 60)[0]
    signature = head[new_header : new_header + 4]
    if signature == b"PE\0\0" or (new_header > len(head) - 4 and new_header < size):
        return KINDS["pe"]
    paragraphs = unpack_from("<H", head, 8)[0]
    return KINDS["mz"] if signature[:2] in (b"NE", b"LE", b"LX") or 2 <= paragraphs < 4096 else None


def java_or_macho(head: bytes, size: int) -> Kind | None:
    """A fat Mach-O has a handful of parts, a Java class a version above 44, at the same place."""
    if len(head) < 8:
        return None
    return KINDS["macho" if unpack_from(">I", head, 4)[0] < 30 else "javaclass"]


def true_type(head: bytes, size: int) -> Kind | None:
    """TrueType, or Access databases, which begin alike."""
    if head[4:19] in (b"Standard Jet DB", b"Standard ACE DB"):
        return KINDS["access"]
    if len(head) < 28 or not 0 < unpack_from(">H", head, 4)[0] < 64:
        return None
    return KINDS["ttf"] if re.match(rb"[A-Za-z0-9/ ]{3,4}", head[12:16]) else None


def unix_archive(head: bytes, size: int) -> Kind | None:
    """Debian package or any other ar archive."""
    return KINDS["deb" if head[8:21] == b"debian-binary" else "ar"]


def lzma_alone(head: bytes, size: int) -> Kind | None:
    """LZMA with its 13-byte header: a dictionary of a customary size, and a length that is unknown or sane."""
    if len(head) < 14 or head[13] != 0:
        return None
    dictionary, length = unpack_from("<IQ", head, 1)
    rest = dictionary & (dictionary - 1)
    customary = dictionary and rest & (rest - 1) == 0
    return KINDS["lzma"] if customary and (length == 0xFFFFFFFFFFFFFFFF or length < 1 << 40) else None


def enhanced_metafile(head: bytes, size: int) -> Kind | None:
    """EMF: its mark lies at offset 40."""
    return KINDS["emf"] if head[40:44] == b" EMF" else None


def recycle_record(head: bytes, size: int) -> Kind | None:
    """``$I`` record of the Recycle Bin: version 1 has 544 bytes, version 2 says the length of its path."""
    if len(head) >= 28 and head[:8] == b"\x02" + bytes(7):
        length = unpack_from("<I", head, 24)[0]
        return KINDS["recyclebin"] if 0 < length < 33000 and abs(size - 28 - 2 * length) < 3 else None
    return KINDS["recyclebin"] if size in (543, 544) and head[:8] == b"\x01" + bytes(7) else None


def der_structure(head: bytes, size: int) -> Kind | None:
    """ASN.1 sequence whose length is that of the file."""
    if len(head) < 8:
        return None
    return KINDS["der"] if abs(unpack_from(">H", head, 2)[0] + 4 - size) <= 2 and head[4] in (2, 6, 0x30) else None


def zlib_stream(head: bytes, size: int) -> Kind | None:
    """A zlib stream: the first bytes inflate."""
    try:
        return KINDS["zlib"] if zlib.decompressobj().decompress(head[:512], 4096) else None
    except zlib.error:
        return None


def torrent(head: bytes, size: int) -> Kind | None:
    """BitTorrent metadata: a dictionary with one of the keys it must have."""
    return KINDS["torrent"] if re.search(rb"\d:(announce|info|creation date|created by|pieces)", head[:512]) else None


def bzip2_file(head: bytes, size: int) -> Kind | None:
    """bzip2: block size digit, then the mark of a block or of an empty stream."""
    mark = head[4:10]
    known = mark in (b"1AY&SY", b"\x17rE8P\x90") or (size < 10 and mark == b"1AY&SY"[: len(mark)])
    return KINDS["bzip2"] if head[3:4] in b"123456789" and known else None


def ascii_cpio(head: bytes, size: int) -> Kind | None:
    """A cpio archive with text headers: the fields are digits."""
    if head[4:6] in (b"01", b"02"):
        return KINDS["cpio"] if re.fullmatch(rb"[0-9A-Fa-f]{104}", head[6:110]) else None
    return KINDS["cpio"] if re.fullmatch(rb"07[0-7]{70}", head[4:76]) else None


def arj_archive(head: bytes, size: int) -> Kind | None:
    """ARJ: size of the basic header, then of the first header, then a version."""
    if len(head) < 12:
        return None
    basic = unpack_from("<H", head, 2)[0]
    return KINDS["arj"] if 30 <= basic <= 2600 and 30 <= head[4] < 64 else None


def flash_program(head: bytes, size: int) -> Kind | None:
    """Flash without compression: it states its size."""
    return KINDS["swf"] if len(head) >= 8 and unpack_from("<I", head, 4)[0] == size else None


def compress_file(head: bytes, size: int) -> Kind | None:
    """A compress file (LZW): codes of 9 to 16 bits, two flags that no writer sets."""
    return KINDS["compress"] if len(head) > 2 and head[2] & 0x60 == 0 and 9 <= head[2] & 31 <= 16 else None


def zstd_behind_frame(head: bytes, size: int) -> Kind | None:
    """Zstandard behind one skippable frame; LZ4 uses the same frames."""
    if len(head) < 12:
        return None
    mark = head[8 + unpack_from("<I", head, 4)[0] :][:4]
    return {b"(\xb5/\xfd": KINDS["zstd"], b'\x04"M\x18': KINDS["lz4"]}.get(mark)
