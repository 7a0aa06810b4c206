"""Containers and documents that nothing here opens: said aloud, so that no result looks complete without them.

Their raw bytes are searched like any other's; what is compressed or encrypted inside them is not.
"""

from __future__ import annotations

from triage.content.decoders.interface import Budget, Data, Yield, problem
from triage.model.address import Address
from triage.model.content import ContentType
from triage.model.problem import Reason

_ENCRYPTED = (
    "application/x-keepass",
    "application/x-luks",
    "application/x-bitlocker",
    "application/x-apple-encrypted-dmg",
    "application/x-age",
    "application/x-openssl-salted",
    "application/x-axcrypt",
    "application/pgp-encrypted",
    "application/x-ms-office-encrypted",
)
_UNSUPPORTED = (
    "application/vnd.rar",
    "application/x-7z-compressed",
    "application/lzip",
    "application/zstd",
    "application/x-lz4",
    "application/x-lzop",
    "application/x-compress",
    "application/vnd.ms-cab-compressed",
    "application/x-installshield",
    "application/x-archive",
    "application/vnd.debian.binary-package",
    "application/x-rpm",
    "application/x-cpio",
    "application/x-xar",
    "application/x-arj",
    "application/x-ace-compressed",
    "application/x-lzh-compressed",
    "application/x-stuffit",
    "application/x-android-backup",
    "application/onenote",
    "application/x-mobipocket-ebook",
    "application/x-ewf",
    "application/x-ewf-logical",
    "application/x-vmdk",
    "application/x-qcow",
    "application/x-vhd",
    "application/x-vhdx",
    "application/x-virtualbox-vdi",
    "application/x-aff",
    "application/x-ad1",
    "application/x-parallels-disk",
    "application/x-apple-diskimage",
    "application/x-squashfs",
)
MIMES = frozenset((*_ENCRYPTED, *_UNSUPPORTED))


def decode(content_type: ContentType, data: Data, address: Address, budget: Budget) -> Yield:
    """One problem: encrypted, or compressed inside and not supported."""
    if content_type.mime in _ENCRYPTED:
        message = f"encrypted, only its raw bytes were searched: {content_type.name}"
        yield problem(address, "unread", Reason.ENCRYPTED, message, lost=len(data))
    else:
        message = f"not opened, only its raw bytes were searched: {content_type.name}"
        yield problem(address, "unread", Reason.UNSUPPORTED, message, lost=len(data))
