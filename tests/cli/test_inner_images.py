"""Images inside the evidence: a virtual machine on a disk is walked like the disk."""

from __future__ import annotations

import json
import uuid

from tests.support.disk_image import boot_record, mbr_entry, put
from tests.support.fat_image import fat_image
from tests.support.planted import RULES, planted
from tests.support.virtual_disks import vdi, vhd
from triage.case import Case

KIB = 200
BLOCK = 65536


def partitioned(file_system: bytes) -> bytes:
    disk = bytearray(64 * 512 + len(file_system))
    put(disk, 0, boot_record(mbr_entry(0x06, 64, len(file_system) // 512)))
    put(disk, 64 * 512, file_system)
    return bytes(disk)


def as_vdi(raw: bytes) -> bytes:
    blocks = {at // BLOCK: raw[at : at + BLOCK] for at in range(0, len(raw), BLOCK) if any(raw[at : at + BLOCK])}
    return vdi(-(-len(raw) // BLOCK) * BLOCK, blocks, uuid.UUID(int=7))


def as_vhd(raw: bytes) -> bytes:
    full = (b"\xff" * 16, b"")[0]
    blocks = {at // BLOCK: (full, raw[at : at + BLOCK]) for at in range(0, len(raw), BLOCK)}
    return vhd(-(-len(raw) // BLOCK) * BLOCK, blocks, uuid.UUID(int=8))


def stick(word: str, **options) -> bytes:
    return fat_image({f"{word}.txt": planted(word).ljust(600, b".")}, kib=KIB, **options)


def scan(triage, tmp_path, files, *options, kib=6000):
    image, rules = tmp_path / "disk.dd", tmp_path / "planted.toml"
    image.write_bytes(partitioned(fat_image(files, kib=kib)))
    rules.write_text(RULES)
    result = triage(
        "scan", image, "--case", "c", "--rules", rules, "--no-shipped-rules", "--quiet", "--format", "jsonl", *options
    )
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return result, [line for line in lines if "rank" in line], lines[-1]["summary"]


def test_files_of_a_virtual_disk_are_found_under_its_volume(triage, tmp_path):
    files = {"vm/disk.vdi": as_vdi(partitioned(stick("inside"))), "note.txt": planted("outside")}
    result, findings, summary = scan(triage, tmp_path, files)
    assert result.returncode == 0
    paths = {finding["path"] for finding in findings}
    assert {"p1:/note.txt", "p1.img1.p1:/inside.txt"} <= paths
    volumes = {volume["name"]: volume for volume in summary["evidence"][0]["volumes"]}
    assert "vdi image /vm/disk.vdi" in volumes["p1.img1"]["description"]
    assert volumes["p1.img1.p1"]["file_system"] == "fat12"
    events = (tmp_path / "c" / "audit.jsonl").read_text()
    assert "image-inside-opened" in events
    inner = next(finding for finding in findings if finding["path"] == "p1.img1.p1:/inside.txt")
    shown = triage("show", "c", inner["id"])
    assert shown.returncode == 0
    text = shown.stdout.decode()
    assert "zzplanted inside" in text
    assert "7a 7a 70 6c" in text, "the bytes are opened through the image"


def test_images_inside_images_and_a_deleted_file_in_one(triage, tmp_path):
    """Three deep; the deleted file keeps its state."""
    innermost = fat_image({"gone.txt": planted("deep").ljust(600, b".")}, deleted=("gone.txt",), kib=KIB)
    files = {"outer.vhd": as_vhd(fat_image({"inner.img": innermost}, kib=600))}
    _, findings, _ = scan(triage, tmp_path, files)
    deep = [finding for finding in findings if finding["path"].startswith("p1.img1.img1:/")]
    assert [finding["state"] for finding in deep] == ["deleted"]


def test_extents_beside_a_descriptor_are_one_disk(triage, tmp_path):
    raw = partitioned(stick("flat"))
    descriptor = "\n".join(
        ["# Disk DescriptorFile", "version=1", "CID=12345678", "parentCID=ffffffff", 'createType="monolithicFlat"',
         f'RW {len(raw) // 512} FLAT "disk-flat.vmdk" 0', ""]
    )  # fmt: skip
    files = {"vm/disk.vmdk": descriptor.encode(), "vm/disk-flat.vmdk": raw}
    _, findings, summary = scan(triage, tmp_path, files)
    assert "p1.img1.p1:/flat.txt" in {finding["path"] for finding in findings}
    names = [volume["name"] for volume in summary["evidence"][0]["volumes"]]
    assert not any(".img2" in name for name in names), "the extent is no image of its own"


def test_images_without_the_name_of_one_are_known_by_content_and_a_copy_is_opened_once(triage, tmp_path):
    image = partitioned(stick("copied"))
    _, findings, summary = scan(triage, tmp_path, {"a.dat": image, "b": image})
    names = [volume["name"] for volume in summary["evidence"][0]["volumes"]]
    assert sorted({name for name in names if "img" in name}) == ["p1.img1", "p1.img1.p0", "p1.img1.p1"]
    assert [finding["path"] for finding in findings] == ["p1.img1.p1:/copied.txt"]


def test_words_are_told_where_they_stand_in_the_image_alone(triage, tmp_path):
    raw = stick("once")
    _, findings, _ = scan(triage, tmp_path, {"a.img": raw, "b.vhd": as_vhd(stick("twice"))})
    assert sorted(finding["path"] for finding in findings) == ["p1.img1:/once.txt", "p1.img2:/twice.txt"]


def test_an_image_that_does_not_open_is_told(triage, tmp_path):
    broken = as_vdi(stick("lost"))[:700]
    result, _, _ = scan(triage, tmp_path, {"broken.vdi": broken})
    assert result.returncode in (3, 13)
    with Case.open(tmp_path / "c") as case:
        told = [problem for problem in case.problems() if problem.stage == "evidence/images"]
    assert [problem.address for problem in told] == ["disk.dd p1:/broken.vdi"]


def test_files_that_only_sound_like_images_are_no_problem(triage, tmp_path):
    files = {"readme.bin": b"text " * 100, "photo.img": bytes(range(256)) * 8}
    result, _, _ = scan(triage, tmp_path, files)
    assert result.returncode == 0
    with Case.open(tmp_path / "c") as case:
        assert case.problems() == []


def test_going_on_does_not_open_images_again(triage, tmp_path):
    files = {"disk.vdi": as_vdi(stick("inside"))}
    _, first, _ = scan(triage, tmp_path, files)
    _, second, _ = scan(triage, tmp_path, files)
    assert first == second
    assert (tmp_path / "c" / "audit.jsonl").read_text().count("image-inside-opened") == 1
