"""Real images: media, digests and volumes equal what other tools found in them.

The corpus is found by ``TRIAGE_CORPUS`` or beside the checkout; without it these tests are skipped.
"""

import hashlib

import pytest

from tests.support.corpus_media import corpus_folder, corpus_images, unpack
from triage.errors import EvidenceError
from triage.evidence import group_sources, open_evidence
from triage.model.problem import Reason

pytestmark = pytest.mark.skipif(corpus_folder() is None, reason="no corpus: set TRIAGE_CORPUS")

LARGEST = 600 << 20
"""Media up to this size are read whole."""
LAYERED = {"apfs"}
"""File systems that stand in a volume inside the one that the reference names."""
NAMES = {"hfs": "hfs+", "ffs1": "ufs1", "ffs2": "ufs2"}
REFUSED = {
    "containers/encrypted-v2-udzo.dmg": "no key was given",
    "containers/fat-differential.vhd.xz": "parent",
    "containers/flat-f001.vmdk.xz": "every byte is zero",
    "containers/flat.vmdk": "flat-f001.vmdk",
    "damaged/bogus.001": "high entropy",
    "damaged/corrupt1.gz": "gzip",
    "damaged/fuzz-crash-parse_segment-add-overflow.E01": "no usable volume section",
    "damaged/fuzz-dmg-mul_overflow.dmg": "",
    "volumes/truecrypt-tc_5-sha512-xts-aes-hidden.img": "no recognised file system",
}
"""What must not be opened, with words of the reason."""
DAMAGED = {"filesystems/pyfat32.img.gz": "FAT", "damaged-exfat/exfat-bad_bitmap_size.tar.xz": "exFAT"}
"""File systems that the library refuses although their signature is there."""
ENCRYPTED = {
    "volumes/bde": "BitLocker",
    "volumes/bitlk": "BitLocker",
    "volumes/luks1": "LUKS1",
    "volumes/luks2": "LUKS2",
    "volumes/hdr-luks1": "LUKS1",
    "volumes/fvault2": "FileVault 2",
    "damaged/luks": "LUKS1",
}
RECOGNISED = {
    "volumes/hdr-mdraid": "Linux software RAID",
    "volumes/hdr-isw": "Intel RAID",
    "volumes/hdr-drbd": "DRBD",
    "volumes/hdr-lvm2": "LVM2",
    "filesystems/ul-btrfs": "btrfs",
    "filesystems/cramfs": "cramfs",
    "filesystems-other/ul-jfs": "JFS",
    "filesystems-other/ul-reiser3": "ReiserFS",
    "filesystems-other/ul-nilfs2": "NILFS2",
    "filesystems-other/ul-befs": "BeFS",
    "filesystems-other/ul-hfs": "HFS (classic)",
    "filesystems-other/ul-minix": "MINIX",
    "filesystems-other/ul-swap1": "Linux swap",
    "filesystems-other/ul-vmfs": "VMFS",
    "filesystems-other/ul-zfs": "ZFS",
    "damaged-btrfs/": "btrfs",
}
NOT_DECODED = {"udif", "asif", "parallels"}
"""Containers whose media the reference did not decode: what it states is of the file."""
AS_QEMU_IMG = {
    "containers/dissect-basic.qcow2.gz": (536_870_912, "658b3c06933b2e7f77e8d2fc3193f6d1"),
    "damaged/original-size-mismatch.vhd": (2_123_776, None),
}
"""Media that the reference read wrongly: size and MD5 of what `qemu-img convert` gives."""
STORED_DIGEST_DIFFERS = {"containers/dissect-ewf.E01"}
"""The image states the digest of a source that was one byte longer than the media."""

IMAGES = corpus_images()


def identity(record):
    return record["image"] + (f":{record['member']}" if record["member"] else "")


def by_prefix(table, image):
    return next((words for prefix, words in table.items() if image.startswith(prefix)), None)


@pytest.mark.parametrize("record", IMAGES, ids=identity)
def test_media_volumes_and_digests(record, tmp_path):
    """What is read is read right, what is not is refused or named."""
    image = record["image"]
    try:
        path = unpack(record, tmp_path)
    except FileNotFoundError as error:
        pytest.skip(f"not installed: {error}")
    (source,) = group_sources([path])
    if image in REFUSED:
        with pytest.raises(EvidenceError) as caught:
            open_evidence(source)
        assert REFUSED[image] in str(caught.value)
        assert caught.value.hint
        return
    with open_evidence(source) as evidence:
        check_volumes(record, evidence)
        check_media(record, evidence)


def check_media(record, evidence):
    """Size and digests are those of the reference."""
    media = record.get("media") or {}
    if evidence.source.container in NOT_DECODED or evidence.volumes[0].system == "logical":
        media = {}
    if record["image"] in AS_QEMU_IMG:
        size, md5 = AS_QEMU_IMG[record["image"]]
        media = {"size": size} | ({"md5": md5} if md5 else {})
    if "size" in media:
        assert evidence.media.size == media["size"]
    if evidence.media.size > LARGEST:
        return
    result = evidence.verify()
    for algorithm in ("md5", "sha256"):
        if algorithm in media:
            assert result.computed[algorithm] == media[algorithm]
    assert result.matches is (record["image"] not in STORED_DIGEST_DIFFERS)
    assert evidence.check_unchanged() == ()


def check_volumes(record, evidence):
    """File systems stand where the reference found them; what is not read has a Problem with its bytes."""
    image = record["image"]
    found = {v.image_offset: v for v in evidence.volumes if v.name != "p0" and not v.parent}
    for expected in record.get("file_systems") or []:
        volume = found[expected.get("offset") or 0]
        name = expected["fs"]
        if name in LAYERED or "LVM" in record["layers"]:
            assert any(inner.parent == volume.name and inner.file_system == name for inner in evidence.volumes)
        elif image in DAMAGED:
            assert volume.unsupported == f"{DAMAGED[image]}, damaged"
        else:
            assert volume.file_system == NAMES.get(name, name)
            assert volume.block_size or volume.system == "logical"
    encrypted = by_prefix(ENCRYPTED, image)
    if encrypted:
        assert encrypted in found[0].encryption + found[0].description
    recognised = by_prefix(RECOGNISED, image)
    if recognised:
        assert recognised in found[0].unsupported + found[0].file_system + found[0].description
    for volume in found.values():
        told = [p for p in evidence.problems if p.address.endswith(f" {volume.name}:/") and not p.examined_anyway]
        assert bool(told) >= bool(volume.encryption or volume.unsupported)
        assert not (volume.encryption or volume.unsupported) or any(p.bytes_not_examined == volume.length for p in told)
        assert not any(p.reason is Reason.CRASHED for p in told)


@pytest.mark.parametrize(
    "record",
    [record for record in IMAGES if {"TSK_PARTITION", "GPT"} & set(record.get("layers") or [])],
    ids=identity,
)
def test_partitions_equal_those_of_the_sleuth_kit(record, tmp_path):
    """The library as oracle: the same allocated parts at the same places."""
    pytsk3 = pytest.importorskip("pytsk3")
    from triage.evidence.tsk_image import TskImage

    path = unpack(record, tmp_path)
    (source,) = group_sources([path])
    with open_evidence(source) as evidence:
        image = TskImage(evidence.media)
        system = pytsk3.Volume_Info(image)
        size = int(system.info.block_size)
        theirs = {
            (int(part.start) * size, int(part.len) * size)
            for part in system
            if part.flags == pytsk3.TSK_VS_PART_FLAG_ALLOC
        }
        ours = {(v.image_offset, v.length) for v in evidence.volumes if v.name != "p0" and not v.parent}
        assert ours == theirs


def test_split_image_is_the_same_from_any_segment():
    """Both files named, or either."""
    folder = corpus_folder() / "containers"
    digests = set()
    for name in ("split-image.raw.000", "split-image.raw.001"):
        (source,) = group_sources([folder / name])
        with open_evidence(source) as evidence:
            assert evidence.source.container == "split"
            assert evidence.problems == ()
            digests.add(hashlib.md5(evidence.media.read_at(0, evidence.media.size)).hexdigest())
    whole = (folder / "split-image.raw.000").read_bytes() + (folder / "split-image.raw.001").read_bytes()
    assert digests == {hashlib.md5(whole).hexdigest()}


def test_second_segment_of_an_e01_missing(tmp_path):
    """Half of a real set: the size stays, the missing range is named, the file system in it is told."""
    first = corpus_folder() / "containers" / "image-split.E01"
    copy = tmp_path / first.name
    copy.write_bytes(first.read_bytes())
    with open_evidence(group_sources([copy])[0]) as evidence, open_evidence(group_sources([first])[0]) as whole:
        assert evidence.media.size == whole.media.size
        (missing,) = [p for p in evidence.problems if p.reason is Reason.TRUNCATED]
        begin = evidence.media.size - missing.bytes_not_examined
        assert evidence.media.read_at(0, begin) == whole.media.read_at(0, begin)
        assert not any(evidence.media.read_at(begin, missing.bytes_not_examined))
