"""Numbers and names of character sets in documents and mails, to codecs; anything else is none.

Names and numbers come from evidence and never reach the codec registry unless a table of ours holds them.
Source: Microsoft, "Code Page Identifiers"; IANA, "Character Sets".
"""

from __future__ import annotations

from triage.content.extractors.encodings import codec_of

_BY_NUMBER = {
    437: "cp437", 720: "cp720", 737: "cp737", 775: "cp775", 850: "cp850", 852: "cp852", 855: "cp855", 857: "cp857",
    858: "cp858", 860: "cp860", 861: "cp861", 862: "cp862", 863: "cp863", 864: "cp864", 865: "cp865", 866: "cp866",
    869: "cp869", 874: "cp874", 932: "cp932", 936: "gb18030", 949: "cp949", 950: "big5hkscs", 1200: "utf-16-le",
    1201: "utf-16-be", 1361: "johab", 10000: "mac-roman", 10006: "mac-greek", 10007: "mac-cyrillic",
    10029: "mac-latin2", 10081: "mac-turkish", 20127: "cp1252", 20866: "koi8-r", 21866: "koi8-u", 28591: "cp1252",
    28592: "iso8859-2", 28593: "iso8859-3", 28594: "iso8859-4", 28595: "iso8859-5", 28596: "iso8859-6",
    28597: "iso8859-7", 28598: "iso8859-8", 28599: "cp1254", 28605: "iso8859-15", 32768: "mac-roman",
    32769: "cp1252", 50220: "iso2022_jp", 50221: "iso2022_jp", 50222: "iso2022_jp", 50225: "iso2022_kr",
    51932: "euc_jp", 51949: "cp949", 52936: "hz", 54936: "gb18030", 65000: "utf-7", 65001: "utf-8",
    **{page: f"cp{page}" for page in range(1250, 1259)},
}  # fmt: skip
_BY_NAME = {
    b"iso-2022-jp": "iso2022_jp", b"iso-2022-kr": "iso2022_kr", b"hz-gb-2312": "hz", b"utf-7": "utf-7",
    b"unicode-1-1-utf-7": "utf-7", b"utf-16": "utf-16", b"utf-16le": "utf-16-le", b"utf-16be": "utf-16-be",
    b"utf-32": "utf-32", b"cp437": "cp437", b"ibm437": "cp437", b"cp850": "cp850", b"ibm850": "cp850",
    b"cp852": "cp852", b"ibm852": "cp852", b"cp932": "cp932", b"gb2312-80": "gb18030", b"ansi_x3.4-1968": "cp1252",
}  # fmt: skip
_HIDES_LETTERS = frozenset(("iso2022_jp", "iso2022_kr", "hz", "utf-7", "utf-16", "utf-32"))


def codec_of_number(number: int) -> str:
    """The codec of a Windows code page, empty where there is none."""
    return _BY_NUMBER.get(number, "")


def codec_of_name(name: bytes) -> str:
    """The codec of a character set as MIME names it, empty where there is none."""
    name = name.strip().strip(b"\"'").lower()
    return _BY_NAME.get(name) or codec_of(name)


def hides_letters(codec: str) -> bool:
    """Whether a search of the raw bytes, which knows UTF-8, UTF-16 and the code pages, misses text in it."""
    return codec in _HIDES_LETTERS
