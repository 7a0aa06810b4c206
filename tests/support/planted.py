"""One word that nothing else holds, planted in evidence, and the rules that look for it."""

RULES = """[pack]
id = "keywords/und-planted"
name = "planted"
version = "1.0.0"
licence = "Apache-2.0"
author = "test"
language = "und"
state = "active"
match = "substring"
[[term]]
term = "zzplanted"
kind = "literal"
indicator = "recruit.false_job"
weight = 0.5
"""


def planted(name: str, encoding: str = "utf-8") -> bytes:
    """The word with a name behind it."""
    return f"zzplanted {name}".encode(encoding)
