"""Content that the file-system library does not give: a scan finds what is in it, or says that it could not read it."""

from __future__ import annotations

import json
import zlib

from tests.support.hfs_compressed import DECMPFS, HfsCompressedImage
from tests.support.hfs_image import ROOT
from tests.support.ntfs_corners import PACKED, PLAIN, image
from tests.support.planted import RULES, planted
from tests.support.tool_images import ext_image, plant


def scan(triage, tmp_path, data, rules=RULES):
    disk, pack = tmp_path / "disk.dd", tmp_path / "planted.toml"
    disk.write_bytes(data)
    pack.write_text(rules)
    result = triage("scan", disk, "--case", "c", "--rules", pack, "--no-shipped-rules", "--quiet", "--format", "jsonl")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    return result, [line for line in lines if "rank" in line], lines[-1]["summary"]


def test_files_under_the_windows_overlay_filter(triage, tmp_path):
    """Words in compressed files of every form; what is elsewhere makes the run incomplete, placeholders are told."""
    result, findings, summary = scan(triage, tmp_path, image(), RULES.replace("zzplanted", "needle "))
    paths = {finding["path"] for finding in findings}
    assert {f"p1:/{name}" for name in PACKED} <= paths
    assert {f"p1:/{name}" for name in PLAIN} <= paths
    assert not any("WofCompressedData" in path for path in paths)
    assert result.returncode == 3
    problems = {problem["address"].partition(":")[2]: problem for problem in summary["problems"]}
    for name, word in (("wim.dll", "WIM image"), ("dedup.vhd", "chunk store"), ("newalg.exe", "algorithm 9")):
        assert word in problems[f"/{name}"]["message"]
        assert problems[f"/{name}"]["bytes_not_examined"] == 123_456
    assert "/cloud.docx" not in problems
    told = json.dumps(summary)
    assert "placeholders of a cloud store" in told
    found = next(finding for finding in findings if finding["path"] == "p1:/lzx.bin")
    shown = triage("show", "c", found["id"]).stdout.decode()
    assert "needle lzx.bin" in shown
    assert "icat does not give this content" in shown


def test_compressed_and_hidden_files_of_hfs(triage, tmp_path):
    """Files that look empty to the library."""
    volume = HfsCompressedImage()
    text = planted("in zlib").ljust(3000, b".")
    volume.compressed(ROOT, "page.html", 3, len(text), zlib.compress(text))
    own = volume.file(ROOT, "diary.txt", planted("behind an attribute").ljust(5000, b"."))
    volume.attributes[own, DECMPFS] = b"x"
    result, findings, _ = scan(triage, tmp_path, volume.finish())
    assert {finding["path"] for finding in findings} == {"p1:/page.html", "p1:/diary.txt"}
    assert result.returncode == 0


def test_group_descriptors_among_the_groups(triage, tmp_path):
    """ext4 with meta_bg, which the library reads wrongly without a word."""
    tree = plant(tmp_path / "tree", {f"dir{number}/file": planted(f"place {number}") for number in range(40)})
    options = ("-b", "1024", "-g", "256", "-N", "512", "-O", "meta_bg,^resize_inode,^has_journal,^64bit")
    disk = ext_image(tmp_path / "x.img", tree, "ext4", *options, kib=32 * 1024)
    _, findings, _ = scan(triage, tmp_path, disk.read_bytes())
    assert {f"p1:/dir{number}/file" for number in range(40)} <= {finding["path"] for finding in findings}


def test_clusters_of_several_blocks(triage, tmp_path):
    """ext4 with bigalloc, which the library does not open: another reads it, and that is said."""
    tree = plant(tmp_path / "tree", {f"dir{number}/file": planted(f"place {number}") * 900 for number in range(3)})
    disk = ext_image(tmp_path / "x.img", tree, "ext4", "-O", "bigalloc", "-C", "16384", kib=32 * 1024)
    _, findings, _ = scan(triage, tmp_path, disk.read_bytes())
    assert {f"p1:/dir{number}/file" for number in range(3)} <= {finding["path"] for finding in findings}
