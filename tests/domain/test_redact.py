"""Secrets of an unmistakable shape are taken out; everything else stays as it was written."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_mcp.domain.redact import redact

# Put together here, so that no scanner takes this file for a leak.
LETTERS = "Ab3dEf9hIj" * 6
SECRETS = {
    "API key": [
        f"sk-{LETTERS[:48]}",
        f"sk-proj-{LETTERS[:40]}_{LETTERS[:9]}-x",
        f"sk-ant-api03-{LETTERS[:40]}",
        f"sk-or-v1-{LETTERS[:40]}",
    ],
    "Stripe key": [f"sk_live_{LETTERS[:24]}", f"rk_test_{LETTERS[:24]}"],
    "GitHub token": [
        *(f"gh{kind}_{LETTERS[:36]}" for kind in "pousr"),
        f"github_pat_{LETTERS[:22]}_{LETTERS[:59]}",
    ],
    "GitLab token": [f"glpat-{LETTERS[:20]}"],
    "AWS key": ["AKIA" + "IOSFODNN7EXAMPLE", "ASIA" + "Y34FZKBOKMUTVV7A"],
    "Google key": [f"AIza{LETTERS[:35]}"],
    "Slack token": ["xoxb-" + "17653285670-abcdefghij", "xoxp-" + "1234567890"],
    "npm token": [f"npm_{LETTERS[:36]}"],
    "PyPI token": [f"pypi-{LETTERS[:60]}"],
    "web token": [f"eyJ{LETTERS[:20]}.eyJ{LETTERS[:30]}.{LETTERS[:43]}"],
    "private key": [
        "-----BEGIN PRIVATE " + "KEY-----\nMIIE\nvQIB\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE " + "KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN PGP PRIVATE " + "KEY BLOCK-----\n\nlQVY\n-----END PGP PRIVATE KEY BLOCK-----",
        "-----BEGIN EC PRIVATE " + "KEY-----\nMHcCAQEE (cut off here)",
    ],
}
# The last one is cut off: it takes all that follows with it.
EVERY = [(kind, secret) for kind, secrets in SECRETS.items() for secret in secrets]


@pytest.mark.parametrize(("kind", "secret"), EVERY, ids=[secret[:16] for _, secret in EVERY])
def test_a_secret_is_replaced_by_its_kind(kind: str, secret: str) -> None:
    assert redact(secret) == f"[redacted: {kind}]"
    assert redact(f"Use this:\n{secret}").startswith(f"Use this:\n[redacted: {kind}]")


@pytest.mark.parametrize(("before", "after"), [("KEY=", "\n"), ('{"key": "', '"}'), ("(", ").")])
def test_what_stands_around_a_secret_stays(before: str, after: str) -> None:
    token = SECRETS["GitHub token"][0]

    assert redact(f"{before}{token}{after}") == f"{before}[redacted: GitHub token]{after}"


def test_each_of_several_secrets_is_replaced() -> None:
    whole = " and ".join(secret for _, secret in EVERY[:-1])

    assert redact(whole) == " and ".join(f"[redacted: {kind}]" for kind, _ in EVERY[:-1])


@pytest.mark.parametrize(
    "prose",
    [
        "My risk-assessment-of-the-northern-harbour-bridge is due.",
        "The desk-lamp-with-the-very-long-green-cord broke.",
        "ask-me-anything-about-the-garden-this-summer",
        "class='sk-fading-circle-with-twelve-dots'",
        "AKIA and ASIA are prefixes; ASIAN FOOD is good.",
        "ghp_ and sk- stand for tokens, eyJ for JSON in base64.",
        "npm_config_registry=https://registry.example.org",
        "pypi-attestations is a package.",
        "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
        "commit 3a7bd3e2360a3d29eea436fcfb7e44c735d117c4",
        "id passage-019a7d5c8e2b7f10a3c4d5e6f7a8b9c0",
        "東京 sk-えいご 12345678901234567890",
    ],
)
def test_plain_prose_is_left_as_it_is(prose: str) -> None:
    assert redact(prose) == prose


@given(
    before=st.text("ab. \n", max_size=8), known=st.sampled_from(EVERY[:-1]), after=st.text("ab.\n")
)
def test_a_secret_is_found_wherever_it_stands_and_redacting_twice_is_redacting_once(
    before: str, known: tuple[str, str], after: str
) -> None:
    redacted = redact(f"{before} {known[1]} {after}")

    assert redacted == f"{before} [redacted: {known[0]}] {after}"
    assert redact(redacted) == redacted


@pytest.mark.parametrize(
    "beginning", ["-----BEGIN ", "sk-ant-", "sk-1", "eyJhbGciOiJI.", "xoxb-", "github_pat_", "AIza"]
)
def test_a_long_text_full_of_beginnings_is_done_at_once(beginning: str) -> None:
    # A moment when the work grows with the length, minutes when with its square.
    code = f"from memory_mcp.domain.redact import redact; redact({beginning!r} * 60_000)"

    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)
