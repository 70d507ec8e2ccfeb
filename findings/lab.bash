# What the findings share: a scratch home, pinned packages, the scripted model and a hook that
# writes down what it is given. `source lab.bash` first; it leaves the caller in $WORK/project.
set -euo pipefail
exec </dev/null
FINDINGS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
WORK=$(mktemp -d)
CACHE=${FINDINGS_CACHE:-$WORK/cache} # name a folder to install each package once for all
mkdir -p "$CACHE" "$WORK/home" "$WORK/project"
# Whatever was started with the scratch folder in its command line ends with the finding: the model,
# and what a host leaves behind (Cline CLI a daemon).
ended() {
    local each
    for each in $(pgrep -f -- "$WORK/" || true); do
        kill "$each" 2>/dev/null || true
    done
    rm -rf "$WORK" 2>/dev/null || { sleep 1 && rm -rf "$WORK"; }
}
trap ended EXIT

# npm_packages PACKAGE@VERSION…: its programs come first in the path, with a Node.js that they all
# can run on. What cannot be installed ends the finding with status 3.
npm_packages() {
    local each place
    for each in node@22.23.3 "$@"; do
        place=$CACHE/npm/${each//\//+}
        [[ -e $place/.whole ]] || {
            npm install --silent --no-audit --no-fund --prefix "$place" "$each" >&2 || exit 3
            touch "$place/.whole"
        }
        PATH=$place/node_modules/.bin:$PATH
    done
}

# pip_packages PACKAGE==VERSION…: they come with an interpreter, $PYTHON.
pip_packages() {
    local place
    place=$CACHE/pip/$(printf '%s+' "$@" | tr -c 'a-zA-Z0-9.+\n' _)
    PYTHON=$place/bin/python
    [[ -e $place/.whole ]] || {
        python3 -m venv "$place"
        "$place/bin/pip" install --quiet --disable-pip-version-check "$@" >&2 || exit 3
        touch "$place/.whole"
    }
}

# model SCRIPT: $URL is where it listens, requests.jsonl in $WORK what it was asked.
model() {
    printf '%s' "$1" >"$WORK/script.json"
    python3 "$FINDINGS/models.py" "$WORK/" &
    for _ in {1..100}; do
        [[ -e $WORK/port ]] && break
        sleep 0.1
    done
    URL=http://127.0.0.1:$(<"$WORK/port")
}

# scratch COMMAND…: runs it with an empty home and no environment but this, two minutes at most.
scratch() {
    env -i PATH="$PATH" HOME="$WORK/home" TERM=dumb LANG=C.UTF-8 DO_NOT_TRACK=1 \
        WORK="$WORK" "${SETTINGS[@]}" timeout -k 5 120 "$@"
}

# judge <<'PYTHON': looks at the evidence with `requests`, `hooks`, `probe` (lists of
# objects, by line of their files); an AssertionError means that the behaviour changed.
judge() {
    WORK=$WORK PYTHONDONTWRITEBYTECODE=1 python3 -c '
import json, os, re, sys
from pathlib import Path
WORK = Path(os.environ["WORK"])
def lines(name):
    path = WORK / name
    text = path.read_text("utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines() if line.strip()]
requests, hooks, probe = (lines(name + ".jsonl") for name in ("requests", "hooks", "probe"))
exec(compile(sys.stdin.read(), "judge", "exec"))
' && echo "As found: ${0##*/}"
}

SETTINGS=()
# The hook: appends its payload as a line, keeps its environment, prints what $WORK/says holds, once.
cat >"$WORK/hook" <<'HOOK'
#!/bin/sh
cat >>"${0%/*}/hooks.jsonl"
echo >>"${0%/*}/hooks.jsonl"
env >"${0%/*}/environment"
mv "${0%/*}/says" "${0%/*}/said" 2>/dev/null && cat "${0%/*}/said" || true
HOOK
chmod +x "$WORK/hook"
cd "$WORK/project"
git init -q

# What the probe is started with, as JSON.
PROBE='"command": "python3", "args": ["'$FINDINGS/probe.py'", "'$WORK/probe.jsonl'"]'
# hooks_for EVENT…: a JSON object in the shape that several hosts share.
hooks_for() {
    local each found=()
    local run="{\"type\": \"command\", \"command\": \"$WORK/hook\"${TIMEOUT:+, \"timeout\": $TIMEOUT}}"
    for each in "$@"; do
        found+=("\"$each\": [{\"hooks\": [$run]}]")
    done
    (IFS=, && printf '{%s}' "${found[*]}")
}

# claude_code EVENT…: afterwards `claude_code_run ARGUMENT…` runs it with the probe and these hooks.
claude_code() {
    npm_packages @anthropic-ai/claude-code@2.1.332
    printf '{"mcpServers": {"probe": {%s}}}' "$PROBE" >"$WORK/mcp.json"
    printf '{"hooks": %s}' "$(hooks_for "$@")" >"$WORK/settings.json"
}
claude_code_run() {
    SETTINGS=(ANTHROPIC_BASE_URL="$URL" ANTHROPIC_API_KEY=sk-ant-fake DISABLE_TELEMETRY=1
        DISABLE_AUTOUPDATER=1 CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1)
    scratch claude -p --mcp-config "$WORK/mcp.json" \
        --settings "$WORK/settings.json" --allowedTools mcp__probe,Bash "$@"
}

# codex EVENT…; then `codex_run ARGUMENT…` runs `codex exec`. The probe's entry ends with $MORE, its
# arguments with $WAIT. The hooks are trusted as a user would trust them.
codex() {
    npm_packages @openai/codex@0.171.0
    mkdir -p "$WORK/home/.codex"
    {
        printf 'model = "scripted"\nmodel_provider = "scripted"\napproval_policy = "never"\n'
        printf 'sandbox_mode = "read-only"\ncheck_for_update_on_startup = false\n'
        printf '[analytics]\nenabled = false\n[features]\nhooks = true\n'
        printf '[model_providers.scripted]\nname = "scripted"\nbase_url = "%s/v1"\n' "$URL"
        printf 'env_key = "FAKE_KEY"\nwire_api = "responses"\n'
        printf '[mcp_servers.probe]\ncommand = "python3"\n'
        printf 'args = ["%s", "%s"%s]\n%s\n' "$FINDINGS/probe.py" "$WORK/probe.jsonl" "${WAIT:-}" "${MORE:-}"
    } >"$WORK/home/.codex/config.toml"
    printf '{"hooks": %s}' "$(hooks_for "$@")" >"$WORK/home/.codex/hooks.json"
    SETTINGS+=(FAKE_KEY=fake)
    scratch python3 "$FINDINGS/trust.py" "$PWD" 2>"$WORK/stderr" || { cat "$WORK/stderr" >&2 && false; }
}
codex_run() {
    scratch codex exec --skip-git-repo-check "$@" 2>"$WORK/stderr" ||
        { cat "$WORK/stderr" >&2 && false; }
}

# gemini_cli EVENT…: afterwards `gemini_run ARGUMENT…` runs it.
gemini_cli() {
    npm_packages @google/gemini-cli@0.61.0
    mkdir -p "$WORK/home/.gemini"
    printf '{"mcpServers": {"probe": {%s, "trust": true}}, "hooks": %s,
        "general": {"enableAutoUpdate": false}, "privacy": {"usageStatisticsEnabled": false},
        "telemetry": {"enabled": false}, "security": {"auth": {"selectedType": "gemini-api-key"},
        "folderTrust": {"enabled": false}}}' \
        "$PROBE" "$(hooks_for "$@")" >"$WORK/home/.gemini/settings.json"
}
gemini_run() {
    SETTINGS=(GOOGLE_GEMINI_BASE_URL="$URL" GEMINI_API_KEY=fake GEMINI_TELEMETRY_ENABLED=false)
    scratch gemini -m gemini-2.5-flash "$@" 2>"$WORK/stderr" || { cat "$WORK/stderr" >&2 && false; }
}

# copilot_cli EVENT…, with hooks and the probe; then `copilot_run ARGUMENT…`.
copilot_cli() {
    npm_packages @github/copilot@1.0.102
    mkdir -p "$WORK/home/.copilot/hooks"
    printf '{"mcpServers": {"probe": {"type": "local", %s, "tools": ["*"]}}}' "$PROBE" \
        >"$WORK/home/.copilot/mcp-config.json"
    printf '{"version": 1, "hooks": %s}' "$(hooks_for "$@")" >"$WORK/home/.copilot/hooks/probe.json"
}
copilot_run() {
    SETTINGS=(COPILOT_PROVIDER_BASE_URL="$URL/v1" COPILOT_PROVIDER_API_KEY=fake COPILOT_MODEL=scripted
        COPILOT_AUTO_UPDATE=false COPILOT_OFFLINE=true)
    scratch copilot --allow-all-tools "$@" 2>"$WORK/stderr" || { cat "$WORK/stderr" >&2 && false; }
}

# qwen_code EVENT…; then `qwen_run ARGUMENT…`. A hook's timeout is $TIMEOUT, if that is set.
qwen_code() {
    npm_packages @qwen-code/qwen-code@0.24.4
    mkdir -p "$WORK/home/.qwen"
    printf '{"mcpServers": {"probe": {%s, "trust": true}}, "hooks": %s,
        "general": {"enableAutoUpdate": false}, "privacy": {"usageStatisticsEnabled": false},
        "telemetry": {"enabled": false}, "security": {"auth": {"selectedType": "openai"}}}' \
        "$PROBE" "$(hooks_for "$@")" >"$WORK/home/.qwen/settings.json"
}
qwen_run() {
    SETTINGS=(OPENAI_API_KEY=fake OPENAI_BASE_URL="$URL/v1" OPENAI_MODEL=scripted)
    scratch qwen "$@" 2>"$WORK/stderr" || { cat "$WORK/stderr" >&2 && false; }
}

# opencode_cli; then `opencode_run WORDS`.
opencode_cli() {
    npm_packages opencode-ai@1.18.33
    mkdir -p "$WORK/home/.config/opencode"
    printf '{"mcp": {"probe": {"type": "local", "command": ["python3", "%s", "%s"]}},
        "autoupdate": false, "share": "disabled", "model": "scripted/scripted", "provider": {"scripted":
        {"npm": "@ai-sdk/openai-compatible", "models": {"scripted": {}},
        "options": {"baseURL": "%s/v1", "apiKey": "fake"}}}}' \
        "$FINDINGS/probe.py" "$WORK/probe.jsonl" "$URL" >"$WORK/home/.config/opencode/opencode.json"
}
opencode_run() {
    SETTINGS=(OPENCODE_DISABLE_AUTOUPDATE=1 OPENCODE_DISABLE_MODELS_FETCH=1)
    scratch opencode run "$@" 2>"$WORK/stderr" || { cat "$WORK/stderr" >&2 && false; }
}

# cline_cli; then `cline_run WORDS`, of which there must be two.
cline_cli() {
    npm_packages cline@3.0.65
    mkdir -p "$WORK/home/.cline/data/settings"
    printf '{"mcpServers": {"probe": {%s}}}' "$PROBE" \
        >"$WORK/home/.cline/data/settings/cline_mcp_settings.json"
    printf '{"telemetryOptOut": true, "autoUpdateEnabled": false}' \
        >"$WORK/home/.cline/data/settings/global-settings.json"
    SETTINGS=(CLINE_NO_AUTO_UPDATE=1)
    scratch cline auth openai-compatible -k fake -m scripted -b "$URL/v1"
}
cline_run() {
    scratch cline -P openai-compatible -m scripted --json "$@" >"$WORK/out" 2>"$WORK/stderr" ||
        { cat "$WORK/stderr" >&2 && false; }
}

# continue_cli NAME…: a probe of each name, with a log of that name; then `continue_run WORDS`.
continue_cli() {
    local name
    npm_packages @continuedev/cli@1.5.47
    mkdir -p "$WORK/home/.continue"
    {
        printf '{"name": "scratch", "version": "1.0.0", "schema": "v1", "models": [{"name": "scripted",
            "provider": "openai", "model": "scripted", "apiBase": "%s/v1", "apiKey": "fake",
            "roles": ["chat"], "capabilities": ["tool_use"]}], "mcpServers": [' "$URL"
        for name in "$@"; do
            printf '{"name": "%s", "command": "python3", "args": ["%s", "%s"]},' "$name" \
                "$FINDINGS/probe.py" "$WORK/$name.jsonl"
        done | sed 's/,$//'
        printf ']}'
    } >"$WORK/home/.continue/config.yaml"
}
continue_run() {
    SETTINGS=(CONTINUE_METRICS_ENABLED=0 CONTINUE_CLI_ENABLE_TELEMETRY=0
        CONTINUE_CLI_AUTO_UPDATED=true)
    scratch cn --config "$WORK/home/.continue/config.yaml" --auto -p "$@" 2>"$WORK/stderr" ||
        { cat "$WORK/stderr" >&2 && false; }
}
