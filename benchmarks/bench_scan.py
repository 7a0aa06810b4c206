"""``make bench``: a scan against what people do without it, as ratios of one run.

Builds (once) an ext4 image of some 20,000 files and 1 GiB, then times, alternating:

* ``triage scan``: everything it does, with the shipped rules, all cores;
* (a) a plain loop: one process, pytsk3 reads each file, MD5, SHA-1 and SHA-256, yara-python matches the same rules: the
  YARA rules, and the keyword terms as YARA strings, literals and expressions (``--literals`` leaves the expressions out);
* (b) ``tsk_recover -e`` to a folder, then ``yara -r`` with the same rule file: no digests, no types, no ranking.

Wall clock, since the question is when the examiner has an answer. Peak memory is that of the largest worker. Needs
``mkfs.ext4`` (e2fsprogs) for the image, ``tsk_recover`` (sleuthkit) and ``yara`` for (b); what is missing is said.

    python benchmarks/bench_scan.py [--runs 3] [--files 20000] [--folder /tmp/triage-bench] [--without b] [--literals]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
import zlib
from pathlib import Path

WORDS = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "a",
    "is",
    "that",
    "for",
    "it",
    "as",
    "was",
    "with",
    "be",
    "by",
    "on",
    "not",
    "he",
    "his",
    "but",
    "at",
    "are",
    "this",
    "have",
    "from",
    "or",
    "had",
    "an",
    "they",
    "which",
    "one",
    "you",
    "were",
    "her",
    "all",
    "she",
    "there",
    "would",
    "their",
    "we",
    "him",
    "been",
    "has",
    "when",
    "who",
    "will",
    "more",
    "no",
    "if",
    "out",
    "so",
    "said",
    "what",
    "up",
    "its",
    "about",
    "into",
    "than",
    "them",
    "can",
    "only",
    "other",
    "new",
    "some",
    "could",
    "time",
    "these",
    "two",
    "may",
    "then",
    "do",
    "first",
    "any",
    "my",
    "now",
    "such",
    "like",
    "our",
    "over",
    "man",
    "me",
    "even",
    "most",
    "made",
    "after",
    "also",
    "did",
    "many",
    "before",
    "must",
    "through",
    "back",
    "years",
    "where",
    "much",
    "your",
    "way",
    "well",
    "down",
    "should",
    "because",
    "river",
    "window",
    "garden",
    "station",
    "paper",
    "table",
    "winter",
    "music",
    "letter",
    "kitchen",
    "market",
    "doctor",
    "teacher",
    "engine",
    "mountain",
]


def text(rng: random.Random, size: int) -> bytes:
    """Words with line breaks."""
    out: list[str] = []
    length = 0
    while length < size:
        word = rng.choice(WORDS)
        out.append(word if rng.random() > 0.08 else word + ".\n")
        length += len(word) + 1
    return " ".join(out).encode()[:size]


def html(rng: random.Random, size: int) -> bytes:
    """Text in tags."""
    return b"<!DOCTYPE html><html><body><p>" + text(rng, size).replace(b".\n", b".</p>\n<p>") + b"</p></body></html>"


def jpeg(rng: random.Random, size: int) -> bytes:
    """A JPEG header before noise."""
    return bytes.fromhex("ffd8ffe000104a46494600010101004800480000") + rng.randbytes(size) + b"\xff\xd9"


def deflated(rng: random.Random, size: int) -> bytes:
    """Something compressed with no container of its own."""
    return zlib.compress(text(rng, size * 3))


def database(folder: Path, rng: random.Random, rows: int) -> bytes:
    """A small SQLite database of messages."""
    path = folder / "bench.sqlite"
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, sender TEXT, body TEXT)")
    connection.executemany(
        "INSERT INTO message VALUES (?, ?, ?)", [(n, "someone", text(rng, 80).decode()) for n in range(rows)]
    )
    connection.commit()
    connection.close()
    return path.read_bytes()


def make_image(folder: Path, files: int) -> Path:
    """The image; made anew when its recipe changes."""
    image = folder / f"bench-{files}.dd"
    if image.exists():
        return image
    if shutil.which("mkfs.ext4") is None:
        sys.exit("mkfs.ext4 is missing: install e2fsprogs")
    tree = folder / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    rng = random.Random(20)
    total = 0
    for number in range(files):
        kind = rng.random()
        if kind < 0.45:
            name, data = "txt", text(rng, int(rng.lognormvariate(8.2, 1.3)))
        elif kind < 0.65:
            name, data = "html", html(rng, int(rng.lognormvariate(9.0, 1.0)))
        elif kind < 0.85:
            name, data = "jpg", jpeg(rng, int(rng.lognormvariate(11.3, 0.9)))
        elif kind < 0.93:
            name, data = "bin", deflated(rng, int(rng.lognormvariate(9.5, 1.0)))
        elif kind < 0.9985:
            name, data = "db", database(folder, rng, int(rng.lognormvariate(4.5, 1.0)))
        else:
            name, data = "dat", rng.randbytes(4 << 20) + text(rng, 4 << 20)
        place = ("home/user/Documents", "home/user/Pictures", "usr/share/doc", "home/user/.cache")[number % 4]
        path = tree / place / f"{number // 200:03}" / f"file{number:05}.{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        total += len(data)
        if number % 10 == 0:  # copies are everyday life
            (path.parent / f"copy of {path.name}").write_bytes(data)
            total += len(data)
    blocks = (total * 5 // 4 >> 20) + 64
    subprocess.run(
        ["mkfs.ext4", "-q", "-F", "-b", "4096", "-N", str(files * 2), "-d", str(tree), str(image), f"{blocks}M"],
        check=True,
    )
    shutil.rmtree(tree)
    return image


def rule_file(folder: Path, *, expressions: bool) -> tuple[Path, int, int]:
    """Shipped YARA rules and keyword terms as one YARA file, with the numbers of literals and expressions in it."""
    import yara

    from triage.ruleset import load_rules

    rules = load_rules()
    parts = [source.text for source in rules.yara]
    literals = count = 0
    for number, term in enumerate(rules.keywords):
        if term.kind == "literal":
            word = term.term.replace("\\", "\\\\").replace('"', '\\"')
            rule = f'rule keyword_{number} {{ strings: $a = "{word}" ascii wide nocase condition: $a }}'
            literals += 1
        elif expressions:
            rule = f"rule keyword_{number} {{ strings: $a = /{yara_expression(term.term)}/ ascii wide nocase condition: $a }}"
            try:
                yara.compile(source=rule)
            except yara.Error:
                continue
            count += 1
        else:
            continue
        parts.append(rule)
    path = folder / "bench.yar"
    path.write_text("\n".join(parts), encoding="utf-8")
    return path, literals, count


def yara_expression(pattern: str) -> str:
    """A keyword expression as YARA reads it: plain groups, letters outside ASCII as their bytes."""

    def group(match: re.Match[str]) -> str:
        inside = match[2]
        if inside.isascii():
            return match[0]
        plain = "".join(character for character in inside if character.isascii())
        if match[1]:
            return f"[^{plain}]"
        others = [character for character in inside if not character.isascii()]
        return "(" + "|".join([*([f"[{plain}]"] if plain else []), *others]) + ")"

    text = pattern.replace("(?:", "(").replace("/", "\\/")
    text = re.sub(r"\[(\^?)((?:\\.|[^\]\\])*)\]", group, text)
    return re.sub(
        r"[^\x00-\x7f]", lambda match: "(" + "".join(f"\\x{byte:02x}" for byte in match[0].encode()) + ")", text
    )


def run_triage(image: Path, folder: Path) -> tuple[float, float]:
    """Seconds, and peak MiB of the largest process of the scan."""
    case = folder / "bench.triage"
    shutil.rmtree(case, ignore_errors=True)
    start = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "triage", "scan", str(image), "--case", str(case), "--format", "none", "--quiet"]
    )
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, *(_rss(pid) for pid in _children(process.pid)), 0.0)
        time.sleep(0.05)
    elapsed = time.monotonic() - start
    if process.returncode not in (0, 3):
        sys.exit(f"triage scan left with {process.returncode}")
    return elapsed, peak


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return [pid]
    return [pid, *map(int, text.split())]


def _rss(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def run_plain(image: Path, rules: Path) -> float:
    """(a): the loop that everybody writes first; in a process of its own, so that nothing is warm."""
    start = time.monotonic()
    subprocess.run([sys.executable, __file__, "--plain", str(image), str(rules)], check=True)
    return time.monotonic() - start


def plain_loop(image: Path, rule_path: Path) -> None:
    """One process: list, read, digest, match."""
    import pytsk3
    import yara

    names = dict.fromkeys(("filename", "filepath", "extension", "filetype", "owner"), "")
    rules = yara.compile(filepath=str(rule_path), externals=names)
    file_system = pytsk3.FS_Info(pytsk3.Img_Info(str(image)))
    stack = [file_system.open_dir("/")]
    hits = count = 0
    while stack:
        for item in stack.pop():
            name = item.info.name.name
            if name in (b".", b"..") or item.info.meta is None:
                continue
            if item.info.meta.type == pytsk3.TSK_FS_META_TYPE_DIR:
                stack.append(item.as_directory())
                continue
            if item.info.meta.type != pytsk3.TSK_FS_META_TYPE_REG or not item.info.meta.size:
                continue
            pieces, offset = [], 0
            while offset < item.info.meta.size:
                piece = item.read_random(offset, min(1 << 20, item.info.meta.size - offset))
                if not piece:
                    break
                pieces.append(piece)
                offset += len(piece)
            data = b"".join(pieces)
            hashlib.md5(data).digest(), hashlib.sha1(data).digest(), hashlib.sha256(data).digest()
            hits += len(
                rules.match(data=data, timeout=60, externals={**names, "filename": name.decode("utf-8", "replace")})
            )
            count += 1
    print(f"   plain loop: {count} files, {hits} rule matches")


def run_recover(image: Path, rules: Path, folder: Path) -> float:
    """(b)."""
    target = folder / "recovered"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    externals = [
        part for name in ("filename", "filepath", "extension", "filetype", "owner") for part in ("-d", f"{name}=")
    ]
    start = time.monotonic()
    subprocess.run(["tsk_recover", "-e", str(image), str(target)], check=True, stdout=subprocess.DEVNULL)
    command = ["yara", "-r", "-w", "-p", str(os.cpu_count() or 1), *externals, str(rules), str(target)]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    elapsed = time.monotonic() - start
    shutil.rmtree(target)
    return elapsed


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--files", type=int, default=18_000)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/triage-bench"))
    parser.add_argument("--literals", action="store_true", help="no expressions in (a) and (b)")
    parser.add_argument("--without", action="append", default=[], choices=["a", "b"])
    parser.add_argument("--plain", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        plain_loop(*options.plain)
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    image = make_image(options.folder, options.files)
    rules, literals, expressions = rule_file(options.folder, expressions=not options.literals)
    size = image.stat().st_size / (1 << 20)
    print(f"image {image}: {size:.0f} MiB")
    print(f"(a) and (b) match the shipped YARA rules, {literals} literal terms and {expressions} expressions")
    run_triage(image, options.folder)  # compiles and caches the rules, warms the page cache for all
    ratios: dict[str, list[float]] = {"a": [], "b": []}
    for number in range(options.runs):
        ours, peak = run_triage(image, options.folder)
        print(f"run {number + 1}: triage scan {ours:.1f} s, peak of one process {peak:.0f} MiB")
        if "a" not in options.without:
            plain = run_plain(image, rules)
            ratios["a"].append(plain / ours)
            print(f"   (a) plain loop {plain:.1f} s: {plain / ours:.2f} times ours")
        if "b" not in options.without and shutil.which("tsk_recover") and shutil.which("yara"):
            recover = run_recover(image, rules, options.folder)
            ratios["b"].append(recover / ours)
            print(f"   (b) tsk_recover -e; yara -r {recover:.1f} s: {recover / ours:.2f} times ours")
    for name, values in ratios.items():
        if values:
            print(f"ratio ({name}): median {statistics.median(values):.2f}, {min(values):.2f} to {max(values):.2f}")


if __name__ == "__main__":
    main()
