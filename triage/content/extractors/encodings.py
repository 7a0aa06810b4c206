"""Which encoding marked-up text is in: byte order mark, shape, declaration, else UTF-8 or Windows-1252.

Labels follow the WHATWG Encoding Standard, so ISO-8859-1 means Windows-1252. A label outside the table is ignored:
names from evidence never reach the codec registry. Encodings in which a byte below 0x40 may be part of another
character (ISO-2022, UTF-7) are left out, because markup is found in bytes.
"""

from __future__ import annotations

import codecs
import re

_LABELS = {
    "utf-8": "utf8 utf-8 unicode-1-1-utf-8 ascii us-ascii",
    "cp1250": "windows-1250 cp1250 x-cp1250",
    "cp1251": "windows-1251 cp1251 x-cp1251",
    "cp1252": "windows-1252 cp1252 x-cp1252 iso-8859-1 latin1 iso8859-1 l1 iso_8859-1",
    "cp1253": "windows-1253 cp1253 x-cp1253",
    "cp1254": "windows-1254 cp1254 x-cp1254 iso-8859-9 latin5 iso8859-9",
    "cp1255": "windows-1255 cp1255 x-cp1255",
    "cp1256": "windows-1256 cp1256 x-cp1256",
    "cp1257": "windows-1257 cp1257 x-cp1257",
    "cp1258": "windows-1258 cp1258 x-cp1258",
    "cp874": "windows-874 tis-620 iso-8859-11 cp874",
    "iso8859-2": "iso-8859-2 latin2 iso8859-2 l2",
    "iso8859-3": "iso-8859-3 latin3",
    "iso8859-4": "iso-8859-4 latin4",
    "iso8859-5": "iso-8859-5 cyrillic iso8859-5",
    "iso8859-6": "iso-8859-6 arabic",
    "iso8859-7": "iso-8859-7 greek iso8859-7",
    "iso8859-8": "iso-8859-8 iso-8859-8-i hebrew",
    "iso8859-10": "iso-8859-10 latin6",
    "iso8859-13": "iso-8859-13",
    "iso8859-14": "iso-8859-14",
    "iso8859-15": "iso-8859-15 latin9 latin-9",
    "iso8859-16": "iso-8859-16",
    "koi8-r": "koi8-r koi8 koi",
    "koi8-u": "koi8-u koi8-ru",
    "cp866": "ibm866 cp866 866",
    "mac-roman": "macintosh x-mac-roman mac",
    "mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "gb18030": "gb18030 gbk gb2312 x-gbk gb_2312-80 chinese",
    "big5hkscs": "big5 big5-hkscs x-x-big5",
    "cp932": "shift_jis shift-jis sjis windows-31j x-sjis ms_kanji",
    "euc_jp": "euc-jp x-euc-jp",
    "cp949": "euc-kr ks_c_5601-1987 windows-949 korean",
}
_BY_LABEL = {label.encode(): codec for codec, labels in _LABELS.items() for label in labels.split()}
_BOMS = (
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_DECLARED = re.compile(
    rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._:-]{1,40})[\"']"
    rb"|<meta[^>]{0,400}?charset\s*=\s*[\"']?\s*([A-Za-z0-9._:-]{1,40})",
    re.IGNORECASE,
)
_HEAD = 4096
_PIECE = 1 << 20


def find_encoding(data: bytes) -> tuple[str, int]:
    """The codec of marked-up text and the length of its byte order mark.

    Returns:
        Python's name of the codec, of a table of ours, and 0 to 4 bytes.
    """
    for mark, codec in _BOMS:
        if data.startswith(mark):
            return codec, len(mark)
    head = data[:_HEAD]
    wide = _by_shape(head)
    if wide:
        return wide, 0
    match = _DECLARED.search(head)
    declared = _BY_LABEL.get((match[1] or match[2]).lower(), "") if match else ""
    # A text that holds to the rules of UTF-8 throughout is that, whatever it claims; chance does not do this.
    if declared not in ("", "utf-8") and (data.isascii() or not _is_utf8(data)):
        return declared, 0
    if declared or _is_utf8(data):
        return "utf-8", 0
    return ("utf-8" if _is_mostly_utf8(head) else "cp1252"), 0


def _by_shape(head: bytes) -> str:
    """UTF-16 or UTF-32 without a mark, by the zeros around the first bracket."""
    if b"\0" not in head[:64]:
        return ""
    start = head[:4]
    if start[:1] == b"\0":
        return "utf-32-be" if start[1:3] == b"\0\0" else "utf-16-be"
    if start[1:2] == b"\0":
        return "utf-32-le" if start[2:4] == b"\0\0" else "utf-16-le"
    return ""


def _is_utf8(data: bytes) -> bool:
    """Whether all of it is valid UTF-8; by pieces, so that no second copy of a large text is made."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for at in range(0, len(data), _PIECE):
            decoder.decode(data[at : at + _PIECE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _is_mostly_utf8(head: bytes) -> bool:
    """Whether the wrong bytes are few beside the characters of more than one byte."""
    text = head.decode("utf-8", "surrogateescape")
    wrong = sum(1 for character in text if "\udc80" <= character <= "\udcff")
    right = sum(1 for character in text if character > "\x7f") - wrong
    return right > 4 * wrong


def codec_of(label: bytes) -> str:
    """Python's name of the codec that a label stands for, empty where the label is not of the table."""
    return _BY_LABEL.get(label.strip().lower(), "")
