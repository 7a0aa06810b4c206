"""Rules whose test is code of the program; what they mean stands here, as that of others stands in their packs."""

from __future__ import annotations

from triage.model.rules import BUILTIN_PACK, NOISE_RULE, RuleInfo

BUILTIN: dict[str, RuleInfo] = {
    NOISE_RULE: RuleInfo(
        id=NOISE_RULE,
        detector="noise_file",
        pack=BUILTIN_PACK,
        indicator="anon.tooling",
        weight=0.1,
        trust=0.5,
        language="und",
        gloss="Random throughout: could be an encrypted container (VeraCrypt, TrueCrypt), and as well random test "
        "data, a file overwritten to erase it, or a key file",
        role="note",
        meta={
            "author": "triage project",
            "version": "1.0.0",
            "innocent": "Random test data, a wiped file, backups and phone data that are encrypted by default.",
        },
    )
}
"""By identity."""
