"""Films and pictures made of boxes: MP4, MOV, 3GP, HEIC, AVIF.

Source: ISO/IEC 14496-12 (boxes, ``ftyp``, ``moov``, ``meta``), 23008-12 (brands of HEIF), Apple's QuickTime File
Format. The data in ``mdat`` cannot be checked, so what begins inside is looked for all the same.
"""

from __future__ import annotations

from triage.content.recovery.carved import Reader, Shape

MAX_FILM = 1 << 36
MAX_BOXES = 100_000
_KNOWN = frozenset(
    b"ftyp moov mdat free skip wide meta uuid moof mfra sidx ssix styp pdin pnot udta PICT prft emsg bloc mpvd".split()
)
_PICTURE_BRANDS = {b"heic": "heic", b"heix": "heic", b"heim": "heic", b"heis": "heic", b"hevc": "heic",
                   b"mif1": "heic", b"msf1": "heic", b"avif": "avif", b"avis": "avif"}  # fmt: skip
_FILM_BRANDS = {b"qt  ": "mov", b"M4A ": "m4a", b"M4B ": "m4a"}


def boxes(reader: Reader, start: int) -> Shape | None:
    """A file of boxes, box by box, up to the first place where none stands."""
    position, seen, reason = start, set[bytes](), ""
    brand = reader.read(start + 8, 4) if reader.read(start + 4, 4) == b"ftyp" else b"qt  "
    for _ in range(MAX_BOXES):
        head = reader.read(position, 16)
        size, name = int.from_bytes(head[:4], "big"), head[4:8]
        if len(head) < 8 or name not in _KNOWN or (name == b"ftyp" and seen):
            break
        smallest = 8
        if size == 1:
            size, smallest = int.from_bytes(head[8:16], "big"), 16
        elif size == 0:
            reason = "the last box goes on to the end of the file, wherever that was"
            seen.add(name)
            position += smallest
            break
        if size < smallest or position + size - start > MAX_FILM or not _holds(reader, position, name, size, smallest):
            reason = f"box {name.decode('ascii', 'replace')} does not hold"
            break
        if position + size > reader.size:
            reason, seen = "the data end inside a box", seen | {name}
            position = reader.size
            break
        seen.add(name)
        position += size
    return _judge(brand, seen, position - start, reason)


def _holds(reader: Reader, position: int, name: bytes, size: int, head: int) -> bool:
    """True where a box holds what it must begin with."""
    if name == b"ftyp":
        return 16 <= size <= 1024 and size % 4 == 0
    inner = reader.read(position + head, 12)
    if name == b"moov":
        return inner[4:8] in (b"mvhd", b"cmov", b"trak", b"iods", b"udta", b"meta", b"rmra", b"prfl", b"free", b"mvex")
    if name == b"meta":
        return b"hdlr" in inner[4:12]
    return name != b"moof" or inner[4:8] == b"mfhd"


def _judge(brand: bytes, seen: set[bytes], length: int, reason: str) -> Shape | None:
    is_picture = brand in _PICTURE_BRANDS
    extension = _PICTURE_BRANDS.get(brand) or _FILM_BRANDS.get(brand) or ("3gp" if brand[:2] == b"3g" else "mp4")
    kind = "HEIF picture" if is_picture else "QuickTime film" if extension == "mov" else "MPEG-4 film"
    if is_picture:
        has_all, has_any = {b"meta"} <= seen and (b"mdat" in seen or b"moov" in seen), b"meta" in seen
    else:
        has_all, has_any = b"mdat" in seen and (b"moov" in seen or b"moof" in seen), bool(seen & {b"moov", b"mdat"})
    if not has_any or (b"ftyp" not in seen and b"moov" not in seen):
        return None
    if not has_all and not reason:
        reason = "the description of what is in it is missing" if b"mdat" in seen else "its data are missing"
    return Shape(length, kind, extension, "every box by its length; data in them not checked", reason, solid=False)
