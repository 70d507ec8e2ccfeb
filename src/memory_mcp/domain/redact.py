"""Secrets are taken out of messages before they are stored; nobody can edit a message later.

The patterns are those of credentials with an unmistakable shape (issuers publish the prefixes so
that scanners can find them). A password in plain words is not recognised.
"""

import re

_SHAPES = {
    "private key": (
        r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?"
        r"(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z)"
    ),
    "API key": r"\bsk-[A-Za-z0-9_-]{20,}",
    "Stripe key": r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}",
    "GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{36,}|\bgithub_pat_[A-Za-z0-9_]{50,}",
    "GitLab token": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "AWS key": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "Google key": r"\bAIza[A-Za-z0-9_-]{35}",
    "Slack token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
    "npm token": r"\bnpm_[A-Za-z0-9]{36}",
    "PyPI token": r"\bpypi-[A-Za-z0-9_-]{50,}",
    "web token": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
}
_ANY = re.compile(
    "|".join(f"(?P<k{n}>{shape})" for n, shape in enumerate(_SHAPES.values())), re.DOTALL
)
_NAMES = tuple(_SHAPES)
# One of these stands in every shape, so text without any is passed over at the speed of `in`; by
# the sign that all of a group have, most of them are not even looked for.
_HINTS = {
    "_": ("k_live_", "k_test_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "npm_"),
    "-": ("-----BEGIN", "sk-", "glpat-", "pypi-"),
    "": ("AKIA", "ASIA", "AIza", "xox", "eyJ"),
}


def redact(text: str) -> str:
    """`text` with every recognised secret replaced by `[redacted: kind]`."""
    if not any(hint in text for sign, hints in _HINTS.items() if sign in text for hint in hints):
        return text

    def mark(match: re.Match[str]) -> str:
        assert match.lastgroup is not None
        # Digits tell a key from a name like `sk-fading-circle-with-twelve-dots`.
        if match[0].startswith("sk-") and sum(char.isdigit() for char in match[0]) < 3:
            return match[0]
        return f"[redacted: {_NAMES[int(match.lastgroup[1:])]}]"

    return _ANY.sub(mark, text)
