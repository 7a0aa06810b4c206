"""Classes of content, as far as ranking cares: where is text at home, and where is a word an accident.

Media types are those of :mod:`triage.content.identify` and, where it leaves the word to libmagic, of that. So they are
recognised by pieces of their names, in the order of :data:`_CLASSES`.
"""

from __future__ import annotations

from triage.model.unit import UnitFacts

_CLASSES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("translation", ("gettext", "x-po", "xliff")),
    ("mail", ("message/", "mbox", "ms-tnef", "ms-outlook", "outlook-express", "ms-nickfile")),
    ("font", ("font", "opentype", "truetype")),
    (
        "executable",
        (
            "executable", "sharedlib", "x-object", "dosexec", "mach-binary", "msdownload", "x-elf", "java-vm",
            "java-applet", "java-archive", "android.package", "android-arsc", "android-binary", "android-boot",
            "x-dex", "x-vdex", "wasm", "coredump", "bytecode", "x-msi", "shockwave-flash", "chrome-extension",
        ),
    ),
    (
        "database",
        (
            "sqlite", "leveldb", "x-realm", "ms-ese", "msaccess", "berkeley-db", "lmdb", "mork", "x-plist", "x-bplist",
            "segb", "typedstream", "x-dbm", "x-gdbm",
        ),
    ),
    (
        "document",
        (
            "application/pdf", "msword", "application/rtf", "application/vnd.ms-", "application/vnd.oasis",
            "application/vnd.openxmlformats", "epub", "mobipocket", "onenote", "ole-storage", "cdfv2",
            "wordperfect", "x-hwp", "postscript", "vnd.visio", "djvu", "vnd.sun.xml",
        ),
    ),
    ("text", ("+xml", "text/x-mail", "warc")),
    ("source", ("text/x-", "javascript", "x-python", "x-php", "x-perl", "x-ruby", "shellscript", "text/css")),
    ("text", ("text/", "/json", "/xml", "yaml", "toml", "ndjson", "subrip", "/sql")),
    ("media", ("image/", "audio/", "video/", "realmedia", "thumbs-db", "thumbcache", "iccprofile")),
    (
        "archive",
        (
            "zip", "x-xz", "7z", "rar", "zstd", "lz4", "lzma", "lzop", "x-compress", "cab-compressed", "installshield",
            "debian", "x-rpm", "squashfs", "zlib", "x-arj", "x-ace", "lzh", "stuffit", "x-xar", "android-backup",
            "keepass", "x-luks", "bitlocker", "encrypted", "x-age", "openssl", "axcrypt", "keystore", "x509",
        ),
    ),
)  # fmt: skip

_PRECISE = {"application/vnd.ms-cab-compressed": "archive"}
_PACKED = (
    "application/pdf",
    "application/vnd.openxmlformats",
    "application/vnd.oasis",
    "application/epub",
    "vnd.sun.xml",
)
_SOURCE_EXTENSIONS = frozenset(
    b"c h cc cpp cxx hpp hxx cs java js mjs jsx tsx css scss go rs py pyi rb pl pm php swift kt lua vue less sh bash"
    b" zsh ps1 psm1 vbs bat cmd asm s y l cmake mk gradle m mm dart scala r jl".split()
)
_PLAIN = ("text/plain", "text/x-script")


def content_class(unit: UnitFacts) -> str:
    """Class of the unit's content.

    Returns:
        ``text``, ``source``, ``document``, ``mail``, ``database``: bytes that are mostly text; ``translation``,
        ``media``, ``executable``, ``font``, ``archive`` (encrypted containers too): bytes where a word is mostly an
        accident or somebody else's; ``opaque``: everything else, space that no file owns included.
    """
    if unit.entry.address.is_bare_space:
        return "opaque"
    if unit.kind == "document":
        return "document"
    mime = unit.content_type.mime
    if mime.startswith(_PLAIN) and unit.entry.address.name.lower().rpartition(b".")[2] in _SOURCE_EXTENSIONS:
        return "source"
    return class_of_type(mime)


def class_of_type(mime: str) -> str:
    """Class of a media type; see :func:`content_class`."""
    name = mime.lower().partition(";")[0].strip()
    precise = _PRECISE.get(name)
    if precise is not None:
        return precise
    for found, pieces in _CLASSES:
        if any(piece in name for piece in pieces):
            return found
    return "opaque"


def is_packed(mime: str) -> bool:
    """The bytes of the content itself, parts aside, are mostly compressed: a package or a PDF."""
    return mime.lower().startswith(_PACKED)
