"""Boreal proposes, yara-python decides: no hit is lost on the way."""

from pathlib import Path

import yara

from triage.detectors.yara import YaraDetector
from triage.model.content import ContentNames
from triage.model.rules import YaraSource
from triage.ruleset import load_rules

NAMES = ContentNames("a.dd p1:/cake.txt", "cake.txt", "/cake.txt", ".txt", "TEXT", "0")
SOURCE = """
rule many { strings: $a = "a" condition: #a > 2000 }
rule whole { condition: uint16(0) == 0x6161 and filesize < 10000 }
private rule hidden { strings: $x = "zz" condition: $x }
rule uses_hidden { condition: hidden }
"""
CONTENTS = (b"a" * 3000, b"a" * 1500, b"aazz", b"zz", b"", b"xx", b"aa" + bytes(20_000))


def test_the_same_rules_match_as_in_yara_python_alone():
    detector = YaraDetector([YaraSource("n", "n.yar", SOURCE)])
    plain = yara.compile(source=SOURCE)
    for data in CONTENTS:
        wanted = {f"yara/n#{match.rule}" for match in plain.match(data=data)}
        assert {count.rule for count in detector.scan(data, NAMES).counts} == wanted
        assert {count.rule for count in detector.scan(bytearray(data), NAMES).counts} == wanted


def test_u02_positions_are_capped_and_the_count_is_true():
    detector = YaraDetector([YaraSource("n", "n.yar", SOURCE)])
    found = detector.scan(b"a" * 3000, NAMES)
    assert [count.count for count in found.counts if count.rule == "yara/n#many"] == [3000]
    assert sum(hit.rule == "yara/n#many" for hit in found.hits) == 16


def test_rules_that_read_the_name_are_a_set_of_their_own():
    source = 'rule named { condition: filename == "cake.txt" and extension == ".txt" }'
    detector = YaraDetector([YaraSource("n", "n.yar", source, uses_externals=True)])
    assert detector.has_externals
    assert not detector.scan(b"x", NAMES).hits
    assert [hit.rule for hit in detector.scan_named(b"x", NAMES).hits] == ["yara/n#named"]


def test_a_rule_beside_a_secret_tells_the_place_alone():
    source = 'rule key { meta: secret = "yes" strings: $a = "seed phrase:" condition: $a }'
    found = YaraDetector([YaraSource("n", "n.yar", source)]).scan(b"my seed phrase: apple pear", NAMES)
    (hit,) = found.hits
    assert (hit.file_offset, hit.length) == (3, 12)
    assert (hit.matched, hit.before, hit.after) == ("", "", "")


def test_shipped_rules_match_on_every_file_here_as_in_yara_python_alone():
    sources = load_rules().yara
    names = dict.fromkeys(("filename", "filepath", "extension", "filetype", "owner"), "")
    plain = yara.compile(sources={s.namespace: s.text for s in sources if not s.uses_externals}, externals=names)
    detector = YaraDetector(sources)
    root = Path(__file__).parents[3]
    files = [path for folder in ("rules", "examples", "triage", "docs") for path in sorted((root / folder).rglob("*"))]
    contents = [path.read_bytes() for path in files if path.is_file() and "__pycache__" not in path.parts]
    contents.append(b"".join(contents))
    matched = 0
    for data in contents:
        wanted = {
            (f"yara/{match.namespace}#{match.rule}", instance.offset)
            for match in plain.match(data=data)
            for string in match.strings
            for instance in string.instances[:1]
        }
        found = detector.scan(data, NAMES)
        assert {rule for rule, _ in wanted} <= {count.rule for count in found.counts}
        assert {count.rule for count in found.counts} == {
            f"yara/{m.namespace}#{m.rule}" for m in plain.match(data=data)
        }
        matched += len(wanted)
    assert matched > 20
