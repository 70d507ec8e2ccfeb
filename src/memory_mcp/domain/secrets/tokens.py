"""Tokens that tell by a mark of their issuer what they are, wherever they stand.

A text is not searched for three hundred marks. A token is a long run of letters, digits and a few
signs, of which a text has few; each such run is looked up by its first three characters.
"""

import binascii
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from functools import cache

from memory_mcp.domain.secrets.placeholders import is_mixed, is_placeholder
from memory_mcp.domain.secrets.span import Span

RUN_CHARS_LEAST = 20
"""A token holds a run of so many of `[A-Za-z0-9_.-]`."""
_MARK_CHARS = 3

_CLASSES = {
    "<h>": "[0-9a-f]",
    "<H>": "[0-9A-Fa-f]",
    "<w>": "[A-Za-z0-9]",
    "<s>": "[A-Za-z0-9_-]",
    "<b>": "[A-Za-z0-9+/=_-]",
    "<u>": "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
}

# Kind → how its tokens begin (with alternatives), and what follows there.
_SHAPES = {
    "Anthropic key": ["sk-ant- <s>{20,}"],
    "API key": ["sk- <s>{20,}"],
    "AWS key": ["AKIA|ASIA|ABIA|ACCA [A-Z0-9]{16}"],
    "AWS secret": [
        "IQoJb3JpZ2lu|FwoGZXIvYXdz|FQoGZXIvYXdz [A-Za-z0-9+/=_%-]{60,}",
        "ABSK [A-Za-z0-9+/]{100,}={0,2}",
        "bedrock-api-key- <b>{30,}",
    ],
    "Google key": ["AIza <s>{35}"],
    "Firebase key": ["APA91b <s>{100,}"],
    "Google token": ["GOCSPX- <s>{24,}", "ya29. [A-Za-z0-9_.-]{20,}"],
    "GitHub token": [
        "ghp_|gho_|ghu_|ghr_ <w>{36,}",
        "ghs_ [A-Za-z0-9_.-]{36,}",
        "github_pat_ [A-Za-z0-9_]{50,}",
    ],
    "GitLab token": [
        "glpat-|gldt-|glrt-|glrtr-|glcbt-|glptt-|glft-|glimt-|glagent-|gloas-|glsoat-|glffct-"
        "|glwt- [A-Za-z0-9_.-]{19,}<s>",
        "GR1348941 <s>{20,}",
    ],
    "Slack token": [
        "xoxa-|xoxb-|xoxc-|xoxd-|xoxe-|xoxo-|xoxp-|xoxr-|xoxs- [A-Za-z0-9%-]{10,}",
        "xoxe.xoxb-|xoxe.xoxp-|xapp-|xwfp- [A-Za-z0-9-]{20,}",
    ],
    "Stripe key": [
        "sk_live_|sk_test_|sk_prod_|rk_live_|rk_test_|rk_prod_ <w>{16,}",
        "whsec_ [A-Za-z0-9+/=]{24,}",
    ],
    "npm token": ["npm_ <w>{36}"],
    "PyPI token": ["pypi- <s>{50,}"],
    "RubyGems key": ["rubygems_ <h>{40,}"],
    "Clojars token": ["CLOJARS_ <w>{50,}"],
    "NuGet key": ["oy2 [a-z0-9]{43}"],
    "crates.io token": ["cio <w>{32}"],
    "Hugging Face token": ["hf_|api_org_ <w>{30,}"],
    "Docker token": ["dckr_pat_|dckr_oat_ <s>{20,}"],
    "DigitalOcean token": ["dop_v1_|doo_v1_|dor_v1_ <h>{40,}"],
    "Vault token": ["hvs.|hvb.|hvr. <s>{20,}"],
    "SendGrid key": [r"SG. <s>{16,}\.<s>{20,}"],
    "Brevo key": ["xkeysib-|xsmtpsib- <h>{64}-<w>{16}"],
    "Mailgun key": ["key- <h>{32}"],
    "Resend key": ["re_ <w>{6,12}_<w>{20,}"],
    "Twilio key": [f"SK{digit} <h>{{31}}" for digit in "0123456789abcdef"],
    "Groq key": ["gsk_ <w>{40,}"],
    "xAI key": ["xai- <w>{40,}"],
    "Perplexity key": ["pplx- <w>{32,}"],
    "Replicate token": ["r8_ <w>{30,}"],
    "Fireworks key": ["fw_ <w>{22,}"],
    "NVIDIA key": ["nvapi- <s>{40,}"],
    "Cerebras key": ["csk- <w>{40,}"],
    "Tavily key": ["tvly- <s>{20,}"],
    "Firecrawl key": ["fc- <h>{32}"],
    "Jina key": ["jina_ <s>{40,}"],
    "Voyage key": ["pa- <s>{40,}"],
    "LangSmith key": ["lsv2_pt_|lsv2_sk_ <h>{32}_<h>{8,}", "ls__ <h>{32}"],
    "Pinecone key": ["pcsk_ [A-Za-z0-9_]{40,}"],
    "Grafana token": ["glsa_ <w>{32}_<H>{8}", "glc_ [A-Za-z0-9+/]{32,}={0,3}"],
    "Shopify token": ["shpat_|shpca_|shppa_|shpss_|shpua_ <H>{32}"],
    "Linear key": ["lin_api_|lin_oauth_|lin_wh_ <w>{32,}"],
    "ElevenLabs key": ["sk_ <h>{48}"],
    "Notion token": ["ntn_ <w>{40,}", "secret_ <w>{43}"],
    "Databricks token": ["dapi|dose <h>{32}(?:-[0-9])?"],
    "New Relic key": [
        "NRAK- <w>{27}",
        "NRII- <s>{32}",
        "NRAA- <h>{27}",
        "NRRA- <h>{42}",
        "NRSP- <w>{20,}",
    ],
    "Sentry token": ["sntrys_ <b>{40,}", "sntryu_|sntrya_ <h>{64}"],
    "Square token": ["EAAA <s>{40,}", "sq0atp- <s>{22,}", "sq0csp- <s>{43}"],
    "PayPal token": [r"access_token$production$ [a-z0-9]{16}\$<h>{32}"],
    "Facebook token": ["EAAB|EAAC|EAAG|EAAM <w>{80,}"],
    "Heroku key": ["HRKU- <s>{30,}"],
    "Netlify token": ["nfp_|nfc_|nfo_|nfu_ <w>{36,}"],
    "Vercel token": ["vcp_|vca_|vcr_|vck_|vci_ <w>{20,}", "vercel_blob_rw_ [A-Za-z0-9_]{30,}"],
    "Supabase key": ["sbp_ (?:oauth_|v0_)?<h>{40}", "sb_secret_ <s>{20,}"],
    "PlanetScale token": ["pscale_tkn_|pscale_pw_|pscale_oauth_ [A-Za-z0-9_=.-]{29,}<s>"],
    "Neon key": ["napi_ <w>{40,}", "npg_ <w>{12,}"],
    "Pulumi token": ["pul- <h>{40}"],
    "Atlassian token": ["ATATT3|ATCTT3|ATOA [A-Za-z0-9_=-]{50,}", "ATBB <w>{28,}"],
    "Figma token": ["figd_|figo_|figor_|figu_|figs_ <s>{36,}"],
    "Airtable token": [r"pat <w>{14}\.<h>{64}"],
    "Dropbox token": [r"sl. (?:u\.)?[A-Za-z0-9_=-]{100,}"],
    "Doppler token": [
        r"dp.pt.|dp.st.|dp.ct.|dp.sa.|dp.scim.|dp.audit.|dp.said. (?:[a-z0-9_-]{1,40}\.)?<w>{40,}"
    ],
    "Postman key": ["PMAK- <h>{24}-<h>{34}", "PMAT- <w>{26}"],
    "LaunchDarkly key": ["sdk-|api-|mob- <u>"],
    "SonarQube token": ["squ_|sqp_|sqa_ <h>{40}"],
    "CircleCI token": ["CCIPAT_|CCIPRJ_ <w>{22}_<h>{40}"],
    "Buildkite token": ["bkua_ <h>{40}", "bkaj_|bkct_ [A-Za-z0-9_.-]{40,}"],
    "Tailscale key": [
        "tskey-auth-|tskey-api-|tskey-client-|tskey-scim-|tskey-webhook- <w>{6,}(?:-<w>{10,})?"
    ],
    "Mapbox token": [r"sk.eyJ <s>{30,}\.<s>{20,}"],
    "Contentful token": ["CFPAT- <s>{40,}"],
    "HubSpot token": ["pat-na|pat-eu|pat-ap [0-9]-<u>"],
    "Plaid token": ["access-sandbox-|access-development-|access-production- <u>"],
    "1Password token": ["ops_eyJ <b>{40,}"],
    "1Password key": ["A3- [A-Z0-9]{6}-[A-Z0-9]{6,11}-(?:[A-Z0-9]{5,6}-){2,3}[A-Z0-9]{5}"],
    "age key": ["AGE-SECRET-KEY-1 [A-Z0-9]{50,58}"],
    "Fly.io token": ["fo1_ <s>{40,}", "fm1r_|fm1a_|fm2_ [A-Za-z0-9+/=_,-]{80,}"],
    "Render key": ["rnd_ <w>{24,}"],
    "Dynatrace token": [r"dt0c01.|dt0s01.|dt0s02.|dt0s08.|dt0s16. <w>{24}\.<w>{64}"],
    "Alibaba key": ["LTAI <w>{12,20}"],
    "Yandex key": ["AQVN <s>{35,38}", r"t1. <s>+={0,2}\.<s>{80,}={0,2}"],
    "Artifactory key": ["AKCp <w>{60,}", "cmVmd <w>{55,}"],
    "Sourcegraph token": ["sgp_ (?:<w>{5,16}_)?<h>{40}"],
    "Prefect key": ["pnu_|pnb_ <w>{36}"],
    "ReadMe key": ["rdme_ [a-z0-9]{60,}"],
    "Typeform token": ["tfp_ [A-Za-z0-9_.=-]{50,}"],
    "Shippo token": ["shippo_live_|shippo_test_ <H>{40}"],
    "EasyPost key": ["EZAK|EZTK <w>{54}"],
    "Duffel token": ["duffel_live_|duffel_test_ <s>{43}"],
    "Flutterwave key": ["FLWSECK-|FLWSECK_TEST- <w>{12,}(?:-X)?"],
    "Razorpay key": ["rzp_live_|rzp_test_ <w>{14}"],
    "Adobe secret": ["p8e- <s>{32}"],
    "Octopus key": ["API- [A-Z0-9]{26,32}"],
    "OpenShift token": ["sha256~ <s>{43}"],
    "ClickHouse key": ["4b1d <w>{38}"],
    "PostHog key": ["phx_ <w>{40,}"],
    "Scalingo token": ["tk-us- <s>{48}"],
    "Frame.io token": ["fio-u- <s>{60,}"],
    "Cloudflare key": ["v1.0- <h>{24}-<h>{100,}", "cfut_|cfat_|cfk_ <s>{40,}"],
    "Deno token": ["ddp_|ddo_ <w>{36}"],
    "Infracost key": ["ico- <w>{32}"],
    "Discord token": ["mfa. <s>{80,}"],
    "web token": [
        r"eyJ <s>{8,}\.eyJ<s>{8,}\.<s>{10,}",
        r"eyJ <s>{15,}\.<s>*\.<s>{10,}\.<s>{10,}\.<s>{10,}",
    ],
}
# These marks stand in other programs' names too; the issuer must be named in the text.
_NAMED_BY = {
    "Mailgun key": "mailgun",
    "Firecrawl key": "firecrawl",
    "LaunchDarkly key": "launchdarkly",
}
_MARK_WITH_SIGN = re.compile("[-_.$~]")
_INSIDE = re.compile(
    "(?<=[-._])(?:gh[pousr]_|github_pat_|glpat-|xox[abp]-|AKIA|AIza|sk-ant-|sk-proj-|hf_|npm_|eyJ)"
)
_INSIDE_CHARS_LEAST = 30
_INSIDE_CHARS_MOST = 400
"""Longer runs are no token with a name before it, and each beginning in one is gone through."""
_TELEGRAM = re.compile(r"(?<![0-9])[0-9]{8,10}:\Z")
_DISCORD = re.compile("[MNO][A-Za-z0-9_-]{22,27}[.][A-Za-z0-9_-]{6}[.][A-Za-z0-9_-]{27,40}")
_TERRAFORM = re.compile("[A-Za-z0-9]{14}[.]atlasv1[.][A-Za-z0-9=_-]{40,}")
_TWILIO = re.compile(r"""AC[0-9a-f]{32}["']?\s{0,4}[,:]\s{0,40}["']?([0-9a-f]{32})(?![0-9a-f])""")
_MAILCHIMP = re.compile("[0-9a-f]{32}-us[0-9]{1,2}")
_MAXMIND = re.compile("[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk")
_AZURE = re.compile(r"(?<![\w~.-])[\w~.-]{3}[0-9]Q~[\w~.-]{31,34}(?![\w~-])", re.ASCII)
_AWS_SECRET = re.compile("(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=_-])")
_AWS_SECRET_NEAR = 200
"""A secret stands with its key's id: so far before or after it."""

# Classes of characters, byte for byte: a run is found as fast as a word is looked for.
_RUNS = (
    bytes(
        ord("w") if chr(code).isalnum() or chr(code) in "_.-" else ord(" ") for code in range(128)
    )
    + b" " * 128
)
_RUN = "w" * RUN_CHARS_LEAST


def tokens_in(text: str, plain: bytes) -> list[Span]:
    """Tokens in `text`; `plain` is the same in ASCII, character by character."""
    runs = plain.translate(_RUNS).decode("ascii")
    has_runs = _RUN in runs
    return [*_tokens(text, runs)] if has_runs or "Q~" in text else []


def _tokens(text: str, runs: str) -> Iterator[Span]:
    marks = _marks()
    start = runs.find(_RUN)
    while start != -1:
        end = runs.find(" ", start)
        if end == -1:
            end = len(runs)
        at = start
        if start and text[start - 1] in "\\%":
            at += _escaped(text[start - 1 : start + 1])
        if text[at : at + _MARK_CHARS] in marks:
            yield from _marked(text, at)
        if end - at >= _INSIDE_CHARS_LEAST:
            yield from _unmarked(text, at, end)
        start = runs.find(_RUN, end)
    if "Q~" in text:
        yield from (Span(*found.span(), "Azure secret") for found in _AZURE.finditer(text))


def _escaped(before: str) -> int:
    """How much of a run belongs to the escape before it: a line break's, `%3D`."""
    if before[:1] == "%":
        return 2
    return 5 if before[1:] == "u" else 1 if before[1:] in ("n", "r", "t") else 0


@cache
def _marks() -> frozenset[str]:
    return frozenset(
        mark[:_MARK_CHARS]
        for shapes in _SHAPES.values()
        for shape in shapes
        for mark in shape.split(" ", 1)[0].split("|")
    )


@cache
def _beginning(mark: str) -> tuple[tuple[str, str, re.Pattern[str]], ...]:
    """The shapes of tokens that begin with these characters: mark, kind, and what it looks like."""
    found: list[tuple[str, str, re.Pattern[str]]] = []
    for kind, shapes in _SHAPES.items():
        for shape in shapes:
            marks, body = shape.split(" ", 1)
            for name, told in _CLASSES.items():
                body = body.replace(name, told)
            for whole in marks.split("|"):
                if whole[:_MARK_CHARS] == mark:
                    pattern = f"{re.escape(whole)}({body})(?![A-Za-z0-9_])"
                    found.append((whole, kind, re.compile(pattern)))
    return tuple(sorted(found, key=lambda each: -len(each[0])))


def _marked(text: str, at: int) -> Iterator[Span]:
    for mark, kind, pattern in _beginning(text[at : at + _MARK_CHARS]):
        found = pattern.match(text, at)
        if found is None or not _is_drawn(found[1], mark, kind):
            continue
        if not _MARK_WITH_SIGN.search(mark):
            # Letters alone may stand in any base64, of which `+` and `/` are part.
            around = text[at - 1 : at] + text[found.end() : found.end() + 1]
            if "+" in around or (around.startswith("/") and around != "/"):
                continue
        if (issuer := _NAMED_BY.get(kind)) and issuer not in text.lower():
            continue
        yield Span(*found.span(), kind)
        if kind == "AWS key":
            yield from _aws_secrets(text, found.start(), found.end())
        return


def _is_drawn(body: str, mark: str, kind: str) -> bool:
    """Whether what follows the mark was drawn by a machine, and is no name or example."""
    if is_placeholder(body):
        return False
    digits = sum(char.isdigit() for char in body)
    if kind == "AWS key":
        return True
    if mark == "sk-":
        # Digits tell a key from a name like `sk-fading-circle-with-twelve-dots`.
        return digits >= 3 or (digits >= 1 and not body.islower() and not body.isupper())
    # One in a hundred tokens has no digit; those of Hugging Face never have one.
    is_long_mark = len(mark) > _MARK_CHARS
    letters = "".join(char for char in body if char.isalpha())
    return digits >= (1 if is_long_mark else 2) or is_mixed(letters, 16 if is_long_mark else 30)


def _aws_secrets(text: str, start: int, end: int) -> Iterator[Span]:
    """The secrets that stand with a key's id."""
    first = max(0, start - _AWS_SECRET_NEAR)
    for found in _AWS_SECRET.finditer(text, first, end + _AWS_SECRET_NEAR):
        told = found[0]
        is_mixed = not (told.islower() or told.isupper()) and any(each.isdigit() for each in told)
        if is_mixed and "EXAMPLE" not in told:
            yield Span(*found.span(), "AWS secret")


def _unmarked(text: str, at: int, end: int) -> Iterator[Span]:
    """Tokens whose mark is not at their beginning, and those that follow another name."""
    chars = end - at
    if text.startswith("AA", at) and (before := _TELEGRAM.search(text, max(0, at - 11), at)):
        if chars >= 33 and any(char.isdigit() for char in text[at:end]):
            yield Span(before.start(), min(end, at + 40), "Telegram token")
        return
    if text[at] in "MNO" and (found := _DISCORD.match(text, at)) and _is_discord(found[0]):
        yield Span(*found.span(), "Discord token")
    elif text.startswith("AC", at) and (found := _TWILIO.match(text, at)):
        yield Span(*found.span(1), "Twilio token")
    elif text.startswith(".atlasv1.", at + 14) and (found := _TERRAFORM.match(text, at)):
        yield Span(*found.span(), "Terraform token")
    elif text.startswith("-us", at + 32) and (found := _MAILCHIMP.match(text, at)):
        yield Span(*found.span(), "Mailchimp key")
    elif text.startswith("_mmk", at + 36) and (found := _MAXMIND.match(text, at)):
        yield Span(*found.span(), "MaxMind key")
    if chars <= _INSIDE_CHARS_MOST:
        for inside in _INSIDE.finditer(text, at + 1, end):
            yield from _marked(text, inside.start())


def _is_discord(token: str) -> bool:
    """Whether its first part is a bot's id, in base64."""
    part = token.partition(".")[0]
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4)).isdigit()
    except (ValueError, binascii.Error):
        return False
