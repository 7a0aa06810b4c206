"""Boreal proposes, yara-python decides: no hit is lost on the way."""

import yara

from triage.detectors.yara import YaraDetector
from triage.model.content import ContentNames
from triage.model.rules import YaraSource

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
