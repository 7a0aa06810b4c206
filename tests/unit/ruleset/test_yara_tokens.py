"""Rules, sections and identifiers of YARA sources; externals are seen only where a condition reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.ruleset.yara_tokens import outline, place


def externals(source):
    return {rule.name: rule.externals for rule in outline(source).rules}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("condition: filename matches /a/", {"filename"}),
        ("condition: extension == \".exe\" and not filepath contains \"x\" or owner == \"\"", {"extension", "filepath", "owner"}),
        ("meta: filetype = \"exe\" owner = \"lab\" condition: true", set()),
        ("strings: $filename = \"filename\" condition: $filename", set()),
        ("strings: $a = \"x\" // filename\n condition: $a /* filename\n filetype */", set()),
        ("strings: $a = /filename\\/\"filepath/ condition: $a", set()),
        ("strings: $a = { 66 69 [2-3] (6C | 65) } condition: $a and filetype == \"x\"", {"filetype"}),
        ("condition: pe.filename == \"x\"", set()),
        ("strings: $a = \"quote \\\" filename\" condition: #a > 1", set()),
        ("condition: for any i in (1..3) : ( filename contains \"a\" )", {"filename"}),
        ("condition: filenames", set()),
    ],
)  # fmt: skip
def test_externals(body, expected):
    assert externals(f"rule a {{ {body} }}") == {"a": expected}


def test_rules_modifiers_and_tags():
    source = 'import "pe"\nprivate rule a { condition: true }\nglobal private rule b : t u { meta: x = 1 condition: a }\nrule c{condition:b}'
    found = outline(source).rules
    assert [(r.name, r.private, r.is_global) for r in found] == [
        ("a", True, False),
        ("b", True, True),
        ("c", False, False),
    ]
    assert [place(source, r.start) for r in found] == [(2, 14), (3, 21), (4, 6)]
    assert place(source, found[1].meta["x"]) == (3, 37)


def test_include_only_as_a_statement():
    source = '// include "a"\ninclude "b.yar"\nrule r { strings: $a = "include \\"c\\"" condition: $a }\n/* include "d" */ include\t"e"'
    assert [include.name for include in outline(source).includes] == ["b.yar", "e"]


def test_comment_that_never_ends():
    assert outline('rule a { strings: $a = "/*" condition: $a }').unclosed == -1
    assert outline("rule a { condition: true } /* rule b").unclosed == 27
    assert outline("rule a { condition: true } /* rule b").rules[0].name == "a"


@given(st.text(alphabet='ruleinc{}":/*\\ \n$=metaopdfg()', max_size=200) | st.text(max_size=80))
def test_any_text_has_an_outline(source):
    outline(source)
