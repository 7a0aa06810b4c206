"""The table of signatures: which bytes open which kind of content.

Sources: the specifications of the formats, the public list of file signatures by G. Kessler, and PRONOM. A row is the
bytes at the start, the kind, and for ambiguous ones a second look. ``identify`` dispatches on the first two bytes.
"""

from __future__ import annotations

from collections.abc import Callable

from triage.content import packages, peeks, text_types
from triage.content.kinds import KINDS, Kind

Peek = Callable[[bytes, int], Kind | None]

_START: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0\x10\0\0\0CR", "cr2"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"8BPS\0", "psd"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"\xff\x0a", "jxl"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
    (b"\x76\x2f\x31\x01", "exr"),
    (b"DDS |\0\0\0", "dds"),
    (b"\xd7\xcd\xc6\x9a", "wmf"),
    (b"\x01\0\x09\0\0\x03", "wmf"),
    (b"gimp xcf", "xcf"),
    (b"AT&TFORM", "djvu"),
    (b"ID3", "mp3"),
    (b"fLaC", "flac"),
    (b"#!AMR", "amr"),
    (b"#!SILK_V3", "silk"),
    (b"\x02#!SILK_V3", "silk"),
    (b"MThd", "midi"),
    (b".snd\0\0", "au"),
    (b"caff\0\x01", "caf"),
    (b"\0\0\x01\xba", "mpeg"),
    (b"\0\0\x01\xb3", "mpeg"),
    (b"FLV\x01", "flv"),
    (b"0&\xb2u\x8ef\xcf\x11", "asf"),
    (b".RMF\0", "rm"),
    (b"DHAV", "dhav"),
    (b"IMKH", "hikvision"),
    (b"CWS", "swf"),
    (b"ZWS", "swf"),
    (b"%PDF-", "pdf"),
    (b"{\\rt", "rtf"),
    (b"%!PS", "postscript"),
    (b"\xc5\xd0\xd3\xc6", "postscript"),
    (b"ITSF\x03\0\0\0", "chm"),
    (b"\xe4R\\{\x8c\xd8\xa7M\xae\xb1Sx\xd0)\x96\xd3", "onenote"),
    (b"HWP Document File", "hwp"),
    (b"\xffWPC", "wordperfect"),
    (b"Rar!\x1a\x07", "rar"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"\x1f\x8b\x08", "gzip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"LZIP\x01", "lzip"),
    (b"(\xb5/\xfd", "zstd"),
    (b"\x04\"M\x18", "lz4"),
    (b"\x02!L\x18", "lz4"),
    (b"\x89LZO\0\r\n\x1a\n", "lzop"),
    (b"MSCF\0\0\0\0", "cab"),
    (b"ISc(", "iscab"),
    (b"\xed\xab\xee\xdb", "rpm"),
    (b"\xc7\x71\0", "cpio"),
    (b"\xc7\x71\x01", "cpio"),
    (b"\x71\xc7\0", "cpio"),
    (b"\x71\xc7\x01", "cpio"),
    (b"xar!\0\x1c", "xar"),
    (b"SIT!\0", "stuffit"),
    (b"StuffIt", "stuffit"),
    (b"WARC/1.", "warc"),
    (b"WARC/0.", "warc"),
    (b"Cr24", "crx"),
    (b"\x7fELF", "elf"),
    (b"\xfe\xed\xfa\xce", "macho"),
    (b"\xfe\xed\xfa\xcf", "macho"),
    (b"\xce\xfa\xed\xfe", "macho"),
    (b"\xcf\xfa\xed\xfe", "macho"),
    (b"dex\n0", "dex"),
    (b"dey\n0", "dex"),
    (b"vdex0", "vdex"),
    (b"\0asm", "wasm"),
    (b"L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0F", "lnk"),
    (b"regf", "registry"),
    (b"ElfFile\0", "evtx"),
    (b"0\0\0\0LfLe", "evt"),
    (b"MAM\x04", "mam"),
    (b"MAM\x84", "mam"),
    (b"CMMM", "thumbcache"),
    (b"IMMM", "thumbcache"),
    (b"HIBR", "hibernation"),
    (b"hibr", "hibernation"),
    (b"WAKE", "hibernation"),
    (b"RSTR\x1e\0", "hibernation"),
    (b"MDMP\x93\xa7", "memorydump"),
    (b"PAGEDUMP", "memorydump"),
    (b"PAGEDU64", "memorydump"),
    (b"FILE0\0", "mft"),
    (b"FILE*\0", "mft"),
    (b"bplist", "bplist"),
    (b"\0\0\0\x01Bud1", "dsstore"),
    (b"\0\x05\x16\x07", "appledouble"),
    (b"\0\x05\x16\0", "appledouble"),
    (b"\x04\x0bstreamtyped", "typedstream"),
    (b"SEGB", "segb"),
    (b"ANDROID BACKUP\n", "androidbackup"),
    (b"ANDROID!", "androidboot"),
    (b"\x02\0\x0c\0", "arsc"),
    (b"\x03\0\x08\0", "axml"),
    (b"ABX\0", "abx"),
    (b"SQLite format 3\0", "sqlite"),
    (b"7\x7f\x06\x82", "sqlitewal"),
    (b"7\x7f\x06\x83", "sqlitewal"),
    (b"\xd9\xd5\x05\xf9 \xa1c\xd7", "sqlitejournal"),
    (b"// <!-- <mdb:mork", "mork"),
    (b"\xcf\xad\x12\xfe", "dbx"),
    (b"!BDN", "pst"),
    (b"x\x9f>\"", "tnef"),
    (b"\r\xf0\xad\xba", "nk2"),
    (b"EVF\t\r\n\xff\0", "ewf"),
    (b"EVF2\r\n\x81\0", "ewf"),
    (b"LVF\t\r\n\xff\0", "ewflogical"),
    (b"LEF2\r\n\x81\0", "ewflogical"),
    (b"KDMV", "vmdk"),
    (b"COWD", "vmdk"),
    (b"# Disk DescriptorFile", "vmdk"),
    (b"QFI\xfb", "qcow"),
    (b"conectix", "vhd"),
    (b"vhdxfile", "vhdx"),
    (b"<<< Oracle VM VirtualBox", "vdi"),
    (b"<<< innotek VirtualBox", "vdi"),
    (b"AFF10\r\n\0", "aff"),
    (b"ADSEGMENTEDFILE\0", "ad1"),
    (b"WithoutFreeSpace", "parallels"),
    (b"WithouFreSpacExt", "parallels"),
    (b"\xebR\x90NTFS    ", "ntfs"),
    (b"\xebv\x90EXFAT   ", "exfat"),
    (b"\xebX\x90-FVE-FS-", "bitlocker"),
    (b"\xebR\x90-FVE-FS-", "bitlocker"),
    (b"XFSB", "xfs"),
    (b"hsqs", "squashfs"),
    (b"sqsh", "squashfs"),
    (b"\x03\xd9\xa2\x9a", "kdbx"),
    (b"LUKS\xba\xbe", "luks"),
    (b"encrcdsa", "dmgcrypt"),
    (b"cdsaencr", "dmgcrypt"),
    (b"age-encryption.org/v1\n", "age"),
    (b"-----BEGIN AGE ENCRYPTED FILE", "age"),
    (b"Salted__", "openssl"),
    (b"\xc0\xb9\x07\x2eO\x93\xf1F\xa0\x15y,\xa1\xd9\xe8!", "axcrypt"),
    (b"-----BEGIN PGP MESSAGE", "pgp"),
    (b"-----BEGIN PGP", "pgpkey"),
    (b"-----BEGIN ", "pem"),
    (b"\xfe\xed\xfe\xed", "jks"),
    (b"\xce\xce\xce\xce", "jks"),
    (b"\xd4\xc3\xb2\xa1", "pcap"),
    (b"\xa1\xb2\xc3\xd4", "pcap"),
    (b"\x4d\x3c\xb2\xa1", "pcap"),
    (b"\xa1\xb2\x3c\x4d", "pcap"),
    (b"\n\r\r\n", "pcapng"),
    (b"\xde\x12\x04\x95", "gettext"),
    (b"\x95\x04\x12\xde", "gettext"),
    (b"OTTO\0", "otf"),
    (b"true\0", "ttf"),
    (b"ttcf\0", "ttc"),
    (b"wOFF", "woff"),
    (b"wOF2", "woff2"),
    (b"BEGIN:VCARD", "vcard"),
    (b"BEGIN:VCALENDAR", "ical"),
)  # fmt: skip

# Starts that need a second look; tried after the longer ones of the same first two bytes.
_LOOK: tuple[tuple[bytes, Peek], ...] = (
    (b"\xff\xfe", text_types.with_bom),
    (b"\xfe\xff", text_types.with_bom),
    (b"\xef\xbb\xbf", text_types.with_bom),
    (b"\0\0\xfe\xff", text_types.with_bom),
    (b"BZh", peeks.bzip2_file),
    (b"0707", peeks.ascii_cpio),
    (b"\x60\xea", peeks.arj_archive),
    (b"FWS", peeks.flash_program),
    (b"PK\x03\x04", packages.zip_package),
    (b"PK\x05\x06", packages.zip_package),
    (b"PK\x07\x08", packages.zip_package),
    (b"PK00PK\x03\x04", packages.zip_package),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", packages.ole_document),
    (b"RIFF", peeks.riff),
    (b"FORM", peeks.iff),
    (b"\x1aE\xdf\xa3", peeks.matroska),
    (b"OggS\0", peeks.ogg),
    (b"\xff\xfb", peeks.mpeg_audio),
    (b"\xff\xfa", peeks.mpeg_audio),
    (b"\xff\xf3", peeks.mpeg_audio),
    (b"\xff\xf2", peeks.mpeg_audio),
    (b"\xff\xe3", peeks.mpeg_audio),
    (b"\xff\xfd", peeks.mpeg_audio),
    (b"\xff\xf1", peeks.mpeg_audio),
    (b"\xff\xf9", peeks.mpeg_audio),
    (b"BM", peeks.windows_bitmap),
    (b"\0\0\x01\0", peeks.windows_icon),
    (b"\0\0\x02\0", peeks.windows_icon),
    (b"MZ", peeks.dos_program),
    (b"\xca\xfe\xba\xbe", peeks.java_or_macho),
    (b"\0\x01\0\0", peeks.true_type),
    (b"!<arch>\n", peeks.unix_archive),
    (b"]\0\0", peeks.lzma_alone),
    (b"^\0\0", peeks.lzma_alone),
    (b"\x1f\x9d", peeks.compress_file),
    *((bytes((first,)) + b"*M\x18", peeks.zstd_behind_frame) for first in range(0x50, 0x60)),
    (b"\x01\0\0\0", peeks.enhanced_metafile),
    (b"\x01" + bytes(7), peeks.recycle_record),
    (b"\x02" + bytes(7), peeks.recycle_record),
    (b"0\x82", peeks.der_structure),
    (b"x\x01", peeks.zlib_stream),
    (b"x\x9c", peeks.zlib_stream),
    (b"x\xda", peeks.zlib_stream),
    (b"d8:", peeks.torrent),
    (b"d4:", peeks.torrent),
    (b"d7:", peeks.torrent),
    (b"d1", peeks.torrent),
)

# Marks at offset 4, four bytes long.
AT_FOUR: dict[bytes, Kind] = {
    b"SCCA": KINDS["prefetch"],
    b"\xef\xcd\xab\x89": KINDS["ese"],
}

# Marks elsewhere, asked only of binary content that no start claimed: offset, bytes, kind.
ELSEWHERE: tuple[tuple[int, bytes, Kind], ...] = tuple(
    (offset, mark, KINDS[key])
    for offset, mark, key in (
        (2, b"-lh", "lha"),
        (2, b"-lz", "lha"),
        (7, b"**ACE**", "ace"),
        (12, b"\x62\x31\x05\0", "bdb"),
        (12, b"\x61\x15\x06\0", "bdb"),
        (16, b"\xde\xc0\xef\xbe", "lmdb"),
        (16, b"T-DB", "realm"),
        (32, b"NXSB", "apfs"),
        (36, b"acsp", "icc"),
        (52, b"SEGB", "segb"),
        (60, b"BOOKMOBI", "mobi"),
        (64, b"\x7f\x10\xda\xbe", "vdi"),
        (257, b"ustar", "tar"),
        (512, b"EFI PART", "mbr"),
        (1024, b"H+\0\x04", "hfs"),
        (1024, b"HX\0\x05", "hfs"),
        (4086, b"SWAPSPACE2", "swap"),
        (32769, b"CD001", "iso"),
    )
)


def _binary(kind: Kind) -> Peek:
    """A second look for a start that words could also begin with: binary content has a NUL soon."""

    def look(head: bytes, size: int) -> Kind | None:
        return kind if b"\0" in head[:512] else None

    return look


def _is_wordlike(start: bytes, kind: Kind) -> bool:
    """Whether text may begin with the start of this binary kind."""
    return len(start) < 3 or (len(start) < 6 and start.isascii() and start.decode().isprintable() and kind.key != "pdf")


def _dispatch() -> dict[bytes, tuple[tuple[bytes, Kind | None, Peek | None], ...]]:
    """The rows by their first two bytes, longest first, second looks last among equals."""
    rows: dict[bytes, list[tuple[bytes, Kind | None, Peek | None]]] = {}
    for start, key in _START:
        kind = KINDS[key]
        look = _binary(kind) if kind.group != "text" and _is_wordlike(start, kind) else None
        rows.setdefault(start[:2], []).append((start, None if look else kind, look))
    for start, peek in _LOOK:
        rows.setdefault(start[:2], []).append((start, None, peek))
    return {first: tuple(sorted(found, key=lambda row: -len(row[0]))) for first, found in rows.items()}


BY_START = _dispatch()
SIGNATURE_COUNT = len(_START) + len(_LOOK) + len(AT_FOUR) + len(ELSEWHERE)
