"""YARA files: meaning of rules, errors at their place, includes inside the rules folder only (U01)."""

import os

import pytest

from triage.errors import DuplicateRuleError, EmptyRuleSetError, RuleSyntaxError
from triage.ruleset import check_rules, load_rules

RULE = 'rule {name} {{ strings: $a = "{name}" condition: $a }}\n'


def rule(name, meta=""):
    return f"rule {name} {{ meta: {meta} condition: true }}\n" if meta else RULE.format(name=name)


CASES = {
    "U01-syntax-error": ('rule a\n{\n  condition\n    true\n}\n', "yara-syntax", 4, 5),
    "U01-unfinished": ("rule a { condition: true", "yara-syntax", 1, 1),
    "U01-undefined-string": ('rule a {\n  strings:\n    $a = "x"\n  condition:\n    $a and $bcd\n}', "yara-syntax", 5, 12),
    "U01-unreferenced-string": ('rule a {\n  strings:\n    $a = "x"\n  condition:\n    true\n}', "yara-syntax", 3, 5),
    "U01-unknown-module": ('\nimport "cuckoo"\nrule a { condition: true }', "yara-syntax", 2, 8),
    "U01-module-not-imported": ("rule a {\n  condition:\n    pe.number_of_sections == 1\n}", "yara-syntax", 3, 5),
    "U01-duplicate-name": (RULE.format(name="a") * 2, "yara-syntax", 2, 6),
    "U01-bad-regex": ("rule a {\n  strings:\n    $a = /a(/\n  condition: $a }", "yara-syntax", 3, 5),
    "U01-bad-hex": ("rule a {\n  strings:\n    $a = { 0 }\n  condition: $a }", "yara-syntax", 3, 5),
    "U01-nul": ("rule a { condition:\n true }\x00", "yara-syntax", 2, 8),
    "U01-comment-that-never-ends": ("rule a { condition: true }\n  /* rule b {}", "yara-syntax", 2, 3),
    "U01-include-not-there": ('include "none.yar"\nrule a { condition: true }', "yara-include", 1, 1),
    "U01-include-absolute": ('  include "/etc/passwd"\n', "yara-include", 1, 3),
    "U01-include-drive": ('include "C:\\\\x.yar"\n', "yara-include", 1, 1),
    "U01-include-outside": ('// x\ninclude "../secret.yar"\n', "yara-include", 2, 1),
    "U01-include-itself": ('include "lab.yar"\n', "yara-include", 1, 1),
    "unknown-indicator": ('rule a {\n  meta:\n    x = 1\n    indicator = "move.transfr"\n  condition: true }', "unknown-indicator", 4, 5),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_refused_at_its_place(name, own, tmp_path):
    content, code, line, column = CASES[name]
    (tmp_path / "secret.yar").write_text("rule secret { condition: true }")
    path = own("lab.yar", content)
    with pytest.raises(RuleSyntaxError) as caught:
        load_rules([path])
    assert (caught.value.path, caught.value.line, caught.value.column) == (str(path), line, column)
    found = [(i.code, i.path, i.line, i.column) for i in check_rules([path]) if i.severity == "error"]
    assert found == [(code, str(path), line, column)]


def test_U01_rule_without_metadata_counts_as_user_yara(own):
    rules = load_rules([own("lab.yar", rule("Plain"))])
    info = rules.rules["yara/user/lab#Plain"]
    assert (info.indicator, info.weight, info.trust, info.role) == ("user.yara", 0.7, 1.0, "evidence")
    assert (info.pack, info.gloss, info.language) == ("user/yara/lab", "Plain", "und")
    assert rules.yara[-1].namespace == "user/lab"


@pytest.mark.parametrize(
    ("meta", "weight"),
    [
        ("score = 85", 0.85), ('score = "60"', 0.6), ("score = -20", 0.0), ("score = 900", 1.0), ("score = 40 severity = 9", 0.4),
        ('severity = "high"', 0.7), ('severity = "Critical"', 0.9), ("severity = 7", 0.7), ("severity = 75", 0.75),
        ('weight = "0.25" score = 90', 0.25), ('score = "many" severity = "low"', 0.3), ('severity = "blue"', 0.7),
        ('weight = "heavy" score = 10', 0.1), ("severity = 1000", 0.7),
    ],
)  # fmt: skip
def test_weight_of_a_rule_of_another_tool(own, meta, weight):
    assert load_rules([own("lab.yar", rule("R", meta))]).rules["yara/user/lab#R"].weight == pytest.approx(weight)


def test_metadata_are_kept_and_made_visible(own):
    meta = 'author = "A" reference = "https://x" date = "2024-01-01" mitre_attack = "T1005" n = 3 b = true description = "D\\x1b[2J"'
    info = load_rules([own("lab.yar", rule("R", meta).replace("rule R", "rule R : t1 t2"))]).rules["yara/user/lab#R"]
    assert info.meta == {
        "author": "A", "reference": "https://x", "date": "2024-01-01", "mitre_attack": "T1005", "n": "3", "b": "true",
        "description": "D\\x1b[2J", "tags": "t1 t2",
    }  # fmt: skip
    assert info.gloss == "D\\x1b[2J"


def test_indicator_of_the_catalogue_and_of_another_tool(own):
    path = own(
        "lab.yar", rule("A", 'indicator = "move.transfer" role = "context"') + rule("B", 'indicator = "some words"')
    )
    rules = load_rules([path]).rules
    assert (rules["yara/user/lab#A"].indicator, rules["yara/user/lab#A"].role) == ("move.transfer", "context")
    assert rules["yara/user/lab#B"].indicator == "user.yara"
    assert [(i.code, i.severity) for i in check_rules([path])] == [("yara-meta-value", "warning")]


def test_U01_private_and_global_rules(own):
    path = own("lab.yar", "private rule P { condition: filesize > 3 }\nglobal rule G { condition: P }\n" + rule("Rrrr"))
    rules = load_rules([path], shipped=False)
    assert sorted(rules.rules) == ["yara/user/lab#G", "yara/user/lab#Rrrr"]
    assert [(i.code, i.severity, i.line, i.column) for i in check_rules([path])] == [
        ("yara-global-rule", "warning", 2, 13)
    ]


def test_only_private_rules_are_no_rules(own):
    with pytest.raises(EmptyRuleSetError, match="no rule in it"):
        load_rules([own("lab.yar", "private rule P { condition: true }")])


def test_shipped_rule(shipped):
    rules = load_rules()
    info = rules.rules["yara/wallets#Wallet"]
    assert (info.indicator, info.weight, info.trust, info.role, info.pack) == (
        "move.transfer",
        0.4,
        0.8,
        "evidence",
        "yara/wallets",
    )
    pack = next(pack for pack in rules.packs if pack.kind == "yara")
    assert (pack.id, pack.version, pack.licence, pack.rules, pack.enabled) == (
        "yara/wallets",
        "1.0",
        "Apache-2.0",
        1,
        True,
    )
    assert not rules.yara[0].uses_externals


def test_externals_are_seen(own):
    rules = load_rules([own("a.yar", 'rule A { condition: filename == "x" }'), own("b.yar", rule("B", 'owner = "me"'))])
    assert {source.namespace: source.uses_externals for source in rules.yara} == {
        "wallets": False, "user/a": True, "user/b": False,
    }  # fmt: skip


def test_files_of_one_name_have_namespaces_of_their_own(own):
    own("one/lab.yar", rule("A"))
    own("two/lab.yara", rule("A"))
    own("three/l ab.yar", rule("A"))
    folder = own("four/lab.yar", rule("A")).parent.parent
    rules = load_rules([folder], shipped=False)
    assert sorted(rules.rules) == [
        "yara/user/l_ab#A", "yara/user/lab#A", "yara/user/lab-2#A", "yara/user/lab-3#A",
    ]  # fmt: skip
    assert len({source.namespace for source in rules.yara}) == 4
    assert sorted(pack.id for pack in rules.packs if pack.kind == "yara") == [
        "user/yara/l_ab", "user/yara/lab", "user/yara/lab-2", "user/yara/lab-3",
    ]  # fmt: skip


def test_two_shipped_files_of_one_name(shipped):
    (shipped / "yara/more").mkdir()
    (shipped / "yara/more/wallets.yar").write_text((shipped / "yara/wallets.yar").read_text())
    with pytest.raises(DuplicateRuleError, match="wallets"):
        load_rules()


def test_U01_include_is_put_in(own):
    own("common.inc", "private rule Common { condition: filesize > 0 }")
    path = own("lab.yar", '// first\ninclude "./common.inc"\nrule A { condition: Common }\n')
    rules = load_rules([path], shipped=False)
    assert list(rules.rules) == ["yara/user/lab#A"]
    assert "include" not in rules.yara[0].text
    assert "private rule Common" in rules.yara[0].text


def test_include_of_a_file_that_is_loaded_too_is_told_once(own):
    own("base.yar", rule("Base") + "private rule Helper { condition: true }\n")
    folder = own("lab.yar", 'include "base.yar"\nrule A { condition: Base and Helper }\n').parent
    rules = load_rules([folder], shipped=False)
    assert sorted(rules.rules) == ["yara/user/base#Base", "yara/user/lab#A"]
    single = load_rules([folder / "lab.yar"], shipped=False)
    assert sorted(single.rules) == ["yara/user/lab#A", "yara/user/lab#Base"]


def test_index_file_adds_nothing_to_its_folder(own):
    own("rules/a.yar", rule("A"))
    own("rules/b.yar", rule("B"))
    index = own("index.yar", '/* all */\ninclude "./rules/a.yar"\ninclude "./rules/b.yar"\n')
    assert sorted(load_rules([index.parent], shipped=False).rules) == ["yara/user/a#A", "yara/user/b#B"]
    assert sorted(load_rules([index], shipped=False).rules) == ["yara/user/index#A", "yara/user/index#B"]


def test_first_of_several_errors_is_told(own):
    rules = [RULE.format(name=f"R{n}") for n in range(9)]
    for bad in (7, 4, 2):
        rules[bad] = f"rule R{bad} {{ condition: unknown_{bad} }}\n"
        with pytest.raises(RuleSyntaxError, match=rf"lab\.yar:{bad + 1}:22: undefined identifier \"unknown_{bad}\""):
            load_rules([own("lab.yar", "".join(rules))])


def test_indexes_that_include_each_other_are_not_silent(own):
    own("a.yar", 'include "b.yar"\n')
    folder = own("b.yar", 'include "a.yar"\n').parent
    with pytest.raises(RuleSyntaxError, match="include loops"):
        load_rules([folder])


def test_index_of_indexes(own):
    own("sub/a.yar", rule("A"))
    own("sub/index.yar", 'include "a.yar"\n')
    index = own("index.yar", 'include "sub/index.yar"\n')
    assert list(load_rules([index.parent], shipped=False).rules) == ["yara/user/a#A"]
    assert list(load_rules([index, index.parent / "sub"], shipped=False).rules) == ["yara/user/a#A"]


def test_error_in_an_included_file_is_told_there(own):
    own("part.inc", "rule Part {\n  condition: nothing_known\n}\n")
    path = own("lab.yar", '// first\n// second\ninclude "part.inc"\nrule A { condition: nor_this }\n')
    with pytest.raises(RuleSyntaxError, match=r"part\.inc:2:14: "):
        load_rules([path])
    own("part.inc", "rule Part { condition: true }\n\n\n")
    with pytest.raises(RuleSyntaxError, match=r"lab\.yar:4:21: "):
        load_rules([path])


def test_U01_includes_that_loop_or_multiply(own):
    own("a.inc", 'include "b.inc"\n')
    own("b.inc", 'include "a.inc"\n')
    with pytest.raises(RuleSyntaxError, match=r"b\.inc:1:1: include loops"):
        load_rules([own("lab.yar", 'include "a.inc"\n')])
    for number in range(15):
        own(f"x{number}.inc", f'include "x{number + 1}.inc"\n' * 2)
    own("x15.inc", "\n")
    with pytest.raises(RuleSyntaxError, match="too many includes"):
        load_rules([own("lab.yar", 'include "x0.inc"\n')])


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no symbolic links here")
def test_U01_include_through_a_link_out_of_the_folder(own, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret.yar").write_text(rule("Secret"))
    path = own("lab.yar", 'include "link/secret.yar"\n')
    (path.parent / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(RuleSyntaxError, match="leaves the folder"):
        load_rules([path])


def test_not_utf8_looks_for_the_bytes_that_stand_there(own):
    import yara

    source = (
        b'rule A { meta: author = "Ren\xe9" strings: $a = "caf\xe9" $b = /\xe9{2}x/ condition: any of them } // \xe9'
    )
    path = own("lab.yar", source)
    text = load_rules([path], shipped=False).yara[0].text
    compiled = yara.compile(source=text)
    assert compiled.match(data=b"un caf\xe9")
    assert compiled.match(data=b"\xe9\xe9x")
    assert not compiled.match(data="un café".encode())
    assert load_rules([path]).rules["yara/user/lab#A"].meta["author"] == "René"
    assert [(i.code, i.severity) for i in check_rules([path])] == [("yara-encoding", "warning")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(own, encoding):
    assert "yara/user/lab#A" in load_rules([own("lab.yar", rule("A").encode(encoding))]).rules


def test_old_mac_line_ends_hide_no_rule(own):
    path = own("lab.yar", b"// comment\r" + rule("A").strip().encode() + b"\r")
    assert "yara/user/lab#A" in load_rules([path]).rules


def test_slow_pattern_is_a_warning_at_its_place(own):
    path = own("lab.yar", "rule A {\n  strings:\n    $slow = { 00 00 00 00 }\n  condition: $slow }")
    assert [(i.code, i.severity, i.line, i.column) for i in check_rules([path])] == [("yara-slow", "warning", 3, 5)]


def test_U01_many_rules(own):
    rules = load_rules([own("lab.yar", "".join(rule(f"R{n}") for n in range(5000)))], shipped=False)
    assert len(rules.rules) == 5000


def test_cache_gives_the_same_and_survives_damage(own, tmp_path):
    path = own("lab.yar", rule("A", 'score = 20 x = "é"') + "private rule B { condition: true }")
    plain = load_rules([path])
    cache = tmp_path / "cache/deep"
    assert load_rules([path], cache_dir=cache) == plain
    kept = sorted(cache.iterdir())
    assert len(kept) == 2
    assert load_rules([path], cache_dir=cache) == plain
    for content in (b"", b"[]", b'{"rules": 3}', b'{"rules": [{"name": 1}], "warnings": []}', b"[" * 100000):
        for file in kept:
            file.write_bytes(content)
        assert load_rules([path], cache_dir=cache) == plain
    (tmp_path / "file").write_text("")
    assert load_rules([path], cache_dir=tmp_path / "file") == plain


def test_cache_is_read(own, tmp_path):
    path = own("lab.yar", rule("A"))
    load_rules([path], shipped=False, cache_dir=tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_text(kept.read_text().replace('"A"', '"FromCache"'))
    assert "yara/user/lab#FromCache" in load_rules([path], shipped=False, cache_dir=tmp_path / "cache").rules
