"""Realistic texts with a secret in them, drawn anew for each seed: none is stored anywhere.

A template holds its secret between ⟦ and ⟧, and `{w36}` for 36 letters and digits to be drawn. The
rules were developed on `DEVELOPED`; `HELD_OUT` was written from other templates, to be measured.
"""

import base64
import json
import random
import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_ALPHABETS = {
    "w": string.ascii_letters + string.digits,
    "h": "0123456789abcdef",
    "H": "0123456789ABCDEF",
    "s": string.ascii_letters + string.digits + "_-",
    "b": string.ascii_letters + string.digits + "+/",
    "d": string.digits,
    "u": string.ascii_uppercase + string.digits,
    "l": string.ascii_lowercase + string.digits,
    "a": string.ascii_uppercase + "234567",
}
_WORDS = (
    "kestrel",
    "marble",
    "harbor",
    "violet",
    "tundra",
    "copper",
    "lantern",
    "meadow",
    "falcon",
)


@dataclass(frozen=True, slots=True)
class Shape:
    """A text, and the one piece of it that must not be stored."""

    text: str
    secret: str

    @property
    def around(self) -> tuple[str, str]:
        """What stands before it and after it, and must stay."""
        before, _, after = self.text.partition(self.secret)
        return before, after


def shapes(templates: Sequence[str], seed: int) -> list[Shape]:
    """Each template with values of its own."""
    drawn = random.Random(seed)
    return [_drawn(template, drawn) for template in templates]


def _drawn(template: str, drawn: random.Random) -> Shape:
    text = _TO_DRAW.sub(
        lambda found: _value(found[1] or found[2], int(found[3] or 0), drawn), template
    )
    before, _, rest = text.partition("⟦")
    secret, _, after = rest.partition("⟧")
    return Shape(before + secret + after, secret)


def _value(kind: str, length: int, drawn: random.Random) -> str:
    if kind in _ALPHABETS:
        return _chars(_ALPHABETS[kind], length, drawn)
    return _MADE[kind](length, drawn)


def _chars(alphabet: str, length: int, drawn: random.Random) -> str:
    while True:
        text = "".join(drawn.choices(alphabet, k=length))
        # By chance few digits: rare, and another draw.
        if length < 16 or sum(char.isdigit() for char in text) >= 2 or alphabet.isdigit():
            return text


def _password(length: int, drawn: random.Random) -> str:
    """As people choose them: a word or two, digits, a sign."""
    first, second = (word.capitalize() for word in drawn.sample(_WORDS, 2))
    sign = drawn.choice("!#%^*?~")
    return drawn.choice(
        (
            f"{first}{drawn.randint(10, 9999)}{sign}",
            f"{first.lower()}{sign}{second}{drawn.randint(1, 99)}",
        )
    )


def _safe_password(length: int, drawn: random.Random) -> str:
    """The same without signs that addresses have for themselves."""
    end = _chars(_ALPHABETS["w"], 4, drawn)
    return f"{drawn.choice(_WORDS).capitalize()}-{drawn.randint(100, 9999)}-{end}"


def _uuid(length: int, drawn: random.Random) -> str:
    return "-".join(_chars(_ALPHABETS["h"], part, drawn) for part in (8, 4, 4, 4, 12))


def _token(length: int, drawn: random.Random) -> str:
    """A signed web token."""
    parts = (
        {"alg": "HS256", "typ": "JWT"},
        {"sub": _chars(string.digits, 10, drawn), "iat": drawn.randint(10**9, 2 * 10**9)},
    )
    told = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
    ]
    return ".".join([*told, _chars(_ALPHABETS["s"], 43, drawn)])


def _basic(length: int, drawn: random.Random) -> str:
    pair = f"{drawn.choice(_WORDS)}:{_safe_password(0, drawn)}"
    return base64.b64encode(pair.encode()).decode()


def _lines(length: int, drawn: random.Random) -> str:
    """The lines of a key: base64, 64 a line."""
    return (
        "\n".join(_chars(_ALPHABETS["b"], 64, drawn) for _ in range(length))
        + "\n"
        + _chars(_ALPHABETS["b"], 30, drawn)
        + "=="
    )


def _escaped_lines(length: int, drawn: random.Random) -> str:
    return _lines(length, drawn).replace("\n", "\\n")


def _discord(length: int, drawn: random.Random) -> str:
    bot = base64.b64encode(str(drawn.randint(10**17, 10**18)).encode()).decode().rstrip("=")
    return f"{bot}.{_chars(_ALPHABETS['s'], 6, drawn)}.{_chars(_ALPHABETS['s'], 38, drawn)}"


_MADE: dict[str, Callable[[int, random.Random], str]] = {
    "P": _password,
    "p": _safe_password,
    "U": _uuid,
    "J": _token,
    "B": _basic,
    "L": _lines,
    "E": _escaped_lines,
    "D": _discord,
}
_TO_DRAW = re.compile(r"\{(?:([whHsbdula])(?=\d)|([PpUJBLED]))(\d*)\}")
_BEGIN, _END = "-----BEGIN ", "-----END "

DEVELOPED = (
    "DB_PASSWORD=⟦{P}⟧",
    "export STRIPE_API_KEY=⟦sk_live_{w24}⟧\nnpm start",
    "docker run -e POSTGRES_PASSWORD=⟦{p}⟧ -p 5432:5432 postgres:17",
    "spring:\n  datasource:\n    username: app\n    password: ⟦{P}⟧\n    url: jdbc:h2:mem",
    '{"host": "db1", "user": "app", "password": "⟦{P}⟧"}',
    "[mysqld]\nuser = app\npassword = ⟦{P}⟧\nport = 3306",
    "machine api.example.org login deploy password ⟦{p}⟧",
    "db.internal:5432:app:deploy:⟦{p}⟧",
    "//registry.npmjs.org/:_authToken=⟦npm_{w36}⟧",
    "index-url = https://deploy:⟦{p}⟧@pypi.corp.net/simple",
    "DATABASE_URL=postgres://app:⟦{p}⟧@db.internal:5432/prod?sslmode=require",
    "mongodb+srv://reader:⟦{w20}⟧@cluster0.ab1cd.mongodb.net/shop",
    "redis://:⟦{w24}⟧@cache.internal:6379/0",
    "amqp://svc:⟦{p}⟧@rabbit:5672/vhost",
    "Server=tcp:sql.corp.net,1433;Database=crm;User ID=app;Password=⟦{P}⟧;Encrypt=True;",
    "jdbc:mysql://db:3306/shop?user=app&password=⟦{p}⟧&useSSL=true",
    "Driver={ODBC Driver 18};Server=db;Uid=app;Pwd=⟦{p}⟧;",
    'curl -H "Authorization: Bearer ⟦{s40}⟧" https://api.corp.net/v1/me',
    "Authorization: Basic ⟦{B}⟧",
    "curl -u deploy:⟦{p}⟧ https://nexus.corp.net/repo",
    "Cookie: theme=dark; session=⟦{w32}⟧; lang=en",
    "Set-Cookie: sid=⟦s%3A{w32}.{w43}⟧; Path=/; HttpOnly",
    "aws_access_key_id = AKIA{a16}\naws_secret_access_key = ⟦{b40}⟧",
    "aws_session_token=⟦IQoJb3JpZ2luX2Vj{b300}⟧",
    "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=⟦{b86}==⟧;EndpointSuffix=core.windows.net",
    "https://shop.blob.core.windows.net/in/a.csv?sv=2024-11-04&sp=r&sig=⟦{w40}%2F{w12}%3D⟧",
    "client secret: ⟦{w3}8Q~{s34}⟧",
    "post to https://hooks.slack.com/services/T{u8}/B{u10}/⟦{w24}⟧ when done",
    "https://discord.com/api/webhooks/{d18}/⟦{s68}⟧",
    f"{_BEGIN}RSA PRIVATE KEY-----\n⟦{{L24}}⟧\n{_END}RSA PRIVATE KEY-----",
    f'"private_key": "{_BEGIN}PRIVATE KEY-----\\n⟦{{E26}}⟧\\n{_END}PRIVATE KEY-----\\n"',
    f"ssh key:\n{_BEGIN}OPENSSH PRIVATE KEY-----\n⟦{{L6}}⟧\n{_END}OPENSSH PRIVATE KEY-----\nthanks",
    "the session cookie decodes to ⟦{J}⟧ as you see",
    "HF_TOKEN=⟦hf_{w34}⟧",
    "slack app: ⟦xapp-1-A{u10}-{d13}-{h64}⟧",
    "client_secret=⟦GOCSPX-{s28}⟧",
    '"refresh_token": "⟦1//0{s98}⟧"',
    "the runner was registered with ⟦glrt-{s20}⟧",
    "docker login -u me -p ⟦dckr_pat_{s27}⟧",
    "doctl auth init -t ⟦dop_v1_{h64}⟧",
    "VAULT_TOKEN=⟦hvs.{s90}⟧ vault kv get secret/app",
    "sendgrid: ⟦SG.{s22}.{s43}⟧",
    "TWILIO_AUTH_TOKEN=⟦{h32}⟧",
    "Groq key ⟦gsk_{w52}⟧ works",
    "I use ⟦xai-{w80}⟧ for grok",
    "PERPLEXITY_API_KEY=⟦pplx-{w48}⟧",
    "export REPLICATE_API_TOKEN=⟦r8_{w37}⟧",
    "openrouter is ⟦sk-or-v1-{h64}⟧",
    "ANTHROPIC_API_KEY: ⟦sk-ant-api03-{s93}AA⟧",
    "OPENAI_API_KEY=⟦sk-proj-{s74}T3BlbkFJ{s74}⟧",
    "grafana ⟦glsa_{w32}_{H8}⟧",
    "X-Shopify-Access-Token: ⟦shpat_{h32}⟧",
    "linear: ⟦lin_api_{w40}⟧",
    "NOTION_TOKEN=⟦ntn_{d11}{w35}⟧",
    "databricks configure --token ⟦dapi{h32}⟧",
    "TWINE_PASSWORD=⟦pypi-AgEIcHlwaS5vcmc{s120}⟧",
    "GEM_HOST_API_KEY=⟦rubygems_{h48}⟧",
    "CLOUDFLARE_API_TOKEN=⟦{s40}⟧",
    "DD_API_KEY=⟦{h32}⟧",
    "https://api.telegram.org/bot⟦{d10}:AA{s33}⟧/getMe",
    "DISCORD_TOKEN=⟦{D}⟧",
    "HEROKU_API_KEY=⟦{U}⟧",
    "tailscale up --authkey ⟦tskey-auth-{w11}CNTRL-{w32}⟧",
    "MISTRAL_API_KEY: ⟦{w32}⟧",
    "git clone https://oauth2:⟦glpat-{s20}⟧@gitlab.corp.net/a/b.git",
    "gh auth login --with-token <<< ⟦ghp_{w36}⟧",
    "⟦github_pat_{w22}_{w59}⟧ is mine, keep it",
    '- name: REDIS_PASSWORD\n  value: "⟦{P}⟧"',
    "CREATE USER app WITH PASSWORD '⟦{P}⟧';",
    "<server><id>corp</id><username>me</username><password>⟦{p}⟧</password></server>",
    "mysql -u root -p⟦{p}⟧ shop < dump.sql",
    "PGPASSWORD=⟦{p}⟧ psql -h db -U app",
)

HELD_OUT = (
    "REDIS_PASS=⟦{P}⟧\nREDIS_HOST=cache",
    "environment:\n  - MYSQL_ROOT_PASSWORD=⟦{p}⟧\n  - MYSQL_DATABASE=shop",
    "ENV SECRET_KEY_BASE=⟦{h128}⟧",
    "SECRET_KEY = 'django-insecure-⟦{w50}⟧'",
    '[database]\nurl = "x"\npassword = "⟦{P}⟧" # prod',
    '{\\"user\\": \\"ci\\", \\"password\\": \\"⟦{p}⟧\\"}',
    "smtp:\n  host: mail\n  pass: ⟦{P}⟧\n  tls: true",
    "set GITHUB_TOKEN=⟦gho_{w36}⟧",
    "default login: machine git.corp.net login bot password ⟦{w24}⟧",
    "_auth=⟦{B}⟧\nemail=a@b.c",
    "extra-index-url=https://__token__:⟦glpat-{s20}⟧@gitlab.com/api/v4/projects/1/packages/pypi/simple",
    "sqlalchemy.url = mysql+pymysql://shop:⟦{p}⟧@10.0.0.5/shop",
    "postgresql://doadmin:⟦AVNS_{s19}⟧@db-x.ondigitalocean.com:25060/defaultdb",
    "rediss://default:⟦{s40}⟧@x.upstash.io:6379",
    "ftp://backup:⟦{p}⟧@files.corp.net/in",
    "smtp://mailer%40corp.net:⟦{w20}⟧@smtp.corp.net:587",
    "Data Source=sql;Initial Catalog=a;User Id=sa;Password=⟦{P}⟧;TrustServerCertificate=true",
    "Endpoint=sb://bus.servicebus.windows.net/;SharedAccessKeyName=root;SharedAccessKey=⟦{b43}=⟧",
    "-H 'X-Api-Key: ⟦{w40}⟧'",
    'headers = {"Authorization": "Bearer ⟦{J}⟧"}',
    "wget --user=me --password=⟦{p}⟧ https://corp.net/f",
    "> Authorization: Basic ⟦{B}⟧\n> User-Agent: curl",
    "Cookie: _ga=GA1.2.1; connect.sid=⟦s%3A{w32}.{w43}⟧",
    "Set-Cookie: auth_token=⟦{s64}⟧; Secure; SameSite=Lax",
    'secret_access_key: "⟦{b40}⟧"',
    "AWS_SECRET_ACCESS_KEY=⟦{b40}⟧",
    "ASIA{a16},⟦{b40}⟧,us-east-1",
    "az storage blob list --account-key ⟦{b86}==⟧",
    "AZURE_CLIENT_SECRET=⟦{w3}7Q~{s34}⟧",
    "webhook: https://corp.webhook.office.com/webhookb2/⟦{U}@{U}/IncomingWebhook/{h32}/{U}⟧",
    "https://discordapp.com/api/webhooks/{d19}/⟦{s68}⟧ posts there",
    f"{_BEGIN}EC PRIVATE KEY-----\n⟦{{L3}}⟧\n{_END}EC PRIVATE KEY-----\n",
    f"  key: |\n    {_BEGIN}PGP PRIVATE KEY BLOCK-----\n\n⟦{{L20}}⟧\n"
    f"{_END}PGP PRIVATE KEY BLOCK-----",
    f"> {_BEGIN}ENCRYPTED PRIVATE KEY-----\n⟦{{L20}}⟧\n{_END}ENCRYPTED PRIVATE KEY-----",
    "age: ⟦AGE-SECRET-KEY-1{u58}⟧",
    "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 3\n⟦{L2}⟧\n"
    "Private-MAC: 00",
    "id_token=⟦{J}⟧&state=1",
    "huggingface-cli login --token ⟦hf_{w34}⟧",
    "SLACK_BOT_TOKEN=⟦xoxb-{d12}-{d13}-{w24}⟧",
    "slack refresh ⟦xoxe-1-{w146}⟧",
    "access_token: ⟦ya29.a0{s160}⟧",
    "GitLab deploy token: ⟦gldt-{s20}⟧",
    "trigger ⟦glptt-{h40}⟧ please",
    "unseal with ⟦hvb.{s140}⟧",
    "MAILGUN_API_KEY=⟦key-{h32}⟧",
    "twilio SK: ⟦SK{h32}⟧",
    "stripe restricted ⟦rk_live_{w99}⟧",
    "whsec is ⟦whsec_{w32}⟧",
    "COHERE_API_KEY = ⟦{w40}⟧",
    "OPENAI_ADMIN_KEY=⟦sk-admin-{s58}T3BlbkFJ{s58}⟧",
    "old key ⟦sk-{w20}T3BlbkFJ{w20}⟧",
    "service account ⟦sk-svcacct-{s74}T3BlbkFJ{s74}⟧",
    "NEW_RELIC_LICENSE_KEY=⟦{h36}NRAL⟧",
    "nr: ⟦NRAK-{u27}⟧",
    "SENTRY_AUTH_TOKEN=⟦sntryu_{h64}⟧",
    "square ⟦EAAA{s60}⟧ prod",
    "NETLIFY_AUTH_TOKEN=⟦nfp_{w36}⟧",
    "VERCEL_TOKEN=⟦{w24}⟧",
    "supabase ⟦sbp_{h40}⟧",
    "pscale ⟦pscale_tkn_{s43}⟧ ok",
    "PULUMI_ACCESS_TOKEN=⟦pul-{h40}⟧",
    'token = "⟦{w14}.atlasv1.{w67}⟧"',
    "jira ⟦ATATT3xFfGF0{s170}={H8}⟧",
    "figma ⟦figd_{s40}⟧",
    "AIRTABLE_PAT=⟦pat{w14}.{h64}⟧",
    "FASTLY_API_TOKEN=⟦{s32}⟧",
    "OKTA_API_TOKEN=⟦00{s40}⟧",
    "DOPPLER_TOKEN=⟦dp.st.prd.{w43}⟧",
    "PMAK ⟦PMAK-{h24}-{h34}⟧",
    "SNYK_TOKEN=⟦{U}⟧",
    "sonar.login=⟦squ_{h40}⟧",
    "CIRCLE_TOKEN=⟦CCIPAT_{w22}_{h40}⟧",
    "NGROK_AUTHTOKEN=⟦2{w26}_{w21}⟧",
    "mapbox ⟦sk.eyJ{w60}.{s22}⟧",
    "ALGOLIA_ADMIN_KEY=⟦{h32}⟧",
    "CONTENTFUL_DELIVERY_TOKEN=⟦{s43}⟧",
    "hubspot ⟦pat-na1-{U}⟧",
    "MAILCHIMP_KEY=⟦{h32}-us14⟧",
    "plaid ⟦access-production-{U}⟧",
    "LANGSMITH_API_KEY=⟦lsv2_pt_{h32}_{h10}⟧",
    "PINECONE_API_KEY=⟦pcsk_{w6}_{w60}⟧",
    "kubectl create secret generic db --from-literal=password=⟦{p}⟧",
    "sshpass -p '⟦{P}⟧' ssh root@10.0.0.1",
    "redis-cli -h cache -a ⟦{w24}⟧ ping",
    '<add key="SmtpPassword" value="⟦{P}⟧" />',
    "ALTER USER 'app'@'%' IDENTIFIED BY '⟦{P}⟧';",
    "the wifi password is ⟦{P}⟧ as of May",
    "Google maps: ⟦AIza{s35}⟧",
    "OP_SERVICE_ACCOUNT_TOKEN=⟦ops_eyJ{w300}⟧",
    'mongodbatlas = {{ public_key = "abcdwxyz", private_key = "⟦{U}⟧" }}',
)
