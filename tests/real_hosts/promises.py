"""What the README promises, one check each, against what a day with a real host left behind.

A check returns nothing where it holds, else what was seen instead, precise enough to look it up. It
raises `NotSeen` where the host has no such thing, `NotDone` where the host failed before.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from tests.real_hosts import day
from tests.real_hosts.evidence import OUR_TOOLS, Evidence, Message, Step
from tests.real_hosts.model.scenario import REFUSAL, SEARCH, SUMMARY, offered
from tests.real_hosts.model.server import Exchange

ECONOMY = 1.3
"""At most so many times what memory must tell."""
RESULT_CHARS = 8_000
"""What a tool's answer may take at most: 1,500 tokens, with room for a tokenizer's moods."""

MACHINE_MADE = {
    "a notification of a task": "<task-notification>",
    "a reminder of the host's": "<system-reminder>",
    "a hook's context": "<hook_context>",
    "a subagent's notification": "<subagent_notification>",
    "what the host tells of the machine": "<environment_context>",
    "what the host tells of the session": "<session_context>",
    "a snapshot made by compaction": "<state_snapshot>",
    "a command of the host's": "<command-name>",
    "output of a command of the host's": "<local-command-stdout>",
    "how long a tool took": "Wall time:",
    "a summary made by compaction": SUMMARY,
    "an error of the provider's": REFUSAL,
    "an error that the host made up": "API Error",
}
OURS = {
    "core memory": "core-mark",
    "a difference of core memory": "diff-mark",
    "the frame of the context": "<memory_blocks>",
    "the sentence before the context": "Long-term memory of this user",
    "a passage": "Keeper's log number",
    "a passage of today's": "filed-mark",
    "a line of today's in core memory": "corrected-mark",
}


class NotSeen(Exception):
    """There is nothing to judge; the text says why."""


class NotDone(Exception):
    """The host failed before there was anything to judge; the text says how."""


Verdict = Literal["yes", "no", "–"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of one promise."""

    promise: str
    verdict: Verdict
    why: str = ""


Check = Callable[[Evidence], str | None]
PROMISES: dict[str, Check] = {}
"""By their names, in the order of the table's columns."""


def promise(name: str) -> Callable[[Check], Check]:
    """Give a check its name."""

    def keep(check: Check) -> Check:
        PROMISES[name] = check
        return check

    return keep


def judged(evidence: Evidence, names: Iterable[str] = PROMISES) -> list[Finding]:
    """Every promise, or those of these names."""
    found: list[Finding] = []
    for name in names:
        check = PROMISES[name]
        try:
            why = check(evidence)
        except NotSeen as reason:
            found.append(Finding(promise=name, verdict="–", why=str(reason)))
        except NotDone as reason:
            found.append(Finding(promise=name, verdict="no", why=str(reason)))
        else:
            found.append(Finding(promise=name, verdict="no" if why else "yes", why=why or ""))
    return found


# What reached the model.


@promise("installs")
def installs(evidence: Evidence) -> str | None:
    """The host starts the server that `install` wrote."""
    last = evidence.last_request("first session")
    missing = _missing_tools(last) if last else list(OUR_TOOLS)
    return f"the session ends without {', '.join(missing)}" if missing else None


@promise("tools at once when cold")
def tools_when_cold(evidence: Evidence) -> str | None:
    """All six are in the first request, though no daemon ran."""
    first = _first(evidence, "cold")
    missing = _missing_tools(first)
    if not missing:
        return None
    deferred = next(filter(SEARCH.match, first.asked.tools), None)
    kind = f" (they are behind {deferred})" if deferred else ""
    return f"request {first.number} lacks {', '.join(missing)}{kind}"


@promise("instructions reach the model")
def instructions(evidence: Evidence) -> str | None:
    """The server's instructions are in the first request."""
    first = _first(evidence, "cold")
    return None if _instructions_in(evidence, first) else f"request {first.number} has none of them"


@promise("context at the start")
def context_at_start(evidence: Evidence) -> str | None:
    """Core memory is in the first request of each session."""
    begun = [
        steps[0].name
        for history, steps in evidence.histories.items()
        if not any(word in history for word in ("compaction", "resumed", "fork"))
    ]
    lacking = [name for name in begun if not _told(_first(evidence, name), "core-mark")]
    return f"no core memory in the first request of: {', '.join(lacking)}" if lacking else None


@promise("told once")
def told_once(evidence: Evidence) -> str | None:
    """No request has core memory twice, be it from a hook or from the instructions."""
    worst = max(_turns(evidence), key=lambda turn: _told(turn, "core-mark"), default=None)
    if worst is None:
        raise NotDone("the model was not asked")
    copies = _told(worst, "core-mark")
    if copies <= 1:
        return None
    step = next(step for step in evidence.steps.values() if worst in step.turns)
    return f"{copies} copies in request {worst.number} ({step.name})"


@promise("differences once")
def differences_once(evidence: Evidence) -> str | None:
    """What another session changed is told with the next prompt, and never again."""
    step = _done(evidence, "changed")
    copies = _told(step.turns[-1], "diff-mark")
    if copies != 1:
        return f"told {copies} times with the next prompt"
    last = evidence.last_request(step.history)
    copies = _told(last, "diff-mark") if last else 0
    return None if copies <= 1 else f"{copies} times in the session's last request"


@promise("tool answers are text")
def answers_are_text(evidence: Evidence) -> str | None:
    """What reaches the model of an answer is the text, once, and not its JSON."""
    results = _our_results(evidence)
    for name, text in results:
        if _is_json(text) or '"structuredContent"' in text:
            return f"{name} came as JSON: {text[:60]!r}"
    searched = [
        text for name, text in results if name == "archival_search" and "filed-mark" in text
    ]
    if not searched:
        return "the answer of archival_search did not reach the model"
    if searched[0].count("filed-mark") > 1:
        return f"archival_search's text came {searched[0].count('filed-mark')} times in one answer"
    return None


@promise("answers within the budget")
def answers_within_budget(evidence: Evidence) -> str | None:
    """None is longer than the budget, cut by the host or moved to a file."""
    results = _our_results(evidence)
    if not any("Keeper's log" in text for _, text in results):
        return "the long answer of archival_search did not reach the model"
    name, text = max(results, key=lambda result: len(result[1]))
    if len(text) > RESULT_CHARS:
        return f"{len(text):,} characters of {name}"
    cut = next((n for n, t in results if "truncated" in t or "saved to" in t.lower()), None)
    return f"the answer of {cut} was cut by the host" if cut else None


@promise("nothing given, nothing refused")
def nothing_refused(evidence: Evidence) -> str | None:
    """Each of the six does its work with its optional arguments left out."""
    results = dict(_our_results(evidence))
    missing = [name for name in OUR_TOOLS if name not in results]
    if missing:
        return f"no answer of {', '.join(missing)} reached the model"
    signs = ("validation error", "Input validation", "MCP error")
    return next(
        (f"{name}: {text[:80]}" for name, text in results.items() if any(s in text for s in signs)),
        None,
    )


# What is in the store.


@promise("prompts recorded")
def prompts_recorded(evidence: Evidence) -> str | None:
    """Every word that was typed is there once, as the user's."""
    _hooked(evidence)
    wrong = [
        _counted(evidence, prompt, "user")
        for prompt in _typed(evidence)
        if prompt not in (day.QUEUED, day.FORKED)
    ]
    return _first_wrong(wrong)


@promise("answers recorded")
def answers_recorded(evidence: Evidence) -> str | None:
    """What the model said at the end of a turn is there once, as the assistant's."""
    _hooked(evidence)
    return _first_wrong(
        _counted(evidence, text, "assistant", times)
        for text, times in evidence.said().items()
        if text != day.BEFORE_CALL
    )


@promise("words before a tool call recorded")
def words_before_calls(evidence: Evidence) -> str | None:
    """What the model said before it called a tool is there once, too."""
    _hooked(evidence)
    return _counted(evidence, day.BEFORE_CALL, "assistant")


@promise("tools recorded")
def tools_recorded(evidence: Evidence) -> str | None:
    """What a command printed is there once, as a tool's."""
    _hooked(evidence)
    if day.SHELL_OUTPUT not in "".join(turn.text for turn in _done(evidence, "cold").turns[1:]):
        raise NotDone("the command was not run")
    found = evidence.with_text(f"{day.SHELL_OUTPUT}", "tool")
    return None if len(found) == 1 else f"the command is there {len(found)} times"


@promise("typed while busy recorded")
def typed_while_busy(evidence: Evidence) -> str | None:
    """What was typed while the model worked is there once, as the user's."""
    if "busy" not in evidence.abilities:
        raise NotSeen("nothing can be typed meanwhile when it runs headless")
    _done(evidence, "busy")
    return _counted(evidence, day.QUEUED, "user")


@promise("subagents kept apart")
def subagents_apart(evidence: Evidence) -> str | None:
    """A subagent's order is not the user's, its words and tools are not the main session's."""
    if "subagent" not in evidence.abilities:
        raise NotSeen("it has no subagents here")
    step = _done(evidence, "subagent")
    if not any(each.given.kind == "subagent" for each in step.exchanges):
        raise NotDone("no subagent asked the model")
    if found := evidence.with_text("order-to-helper", "user"):
        return f"its order is there as the user's words ({len(found)} times)"
    if evidence.with_text("helper-report-mark", "user", "assistant"):
        return "its words are there as the session's"
    main = {message.conversation for message in evidence.with_text(day.DELEGATE, "user")}
    own = [
        message
        for message in evidence.with_text(day.HELPER_SHELL, "tool")
        if message.conversation in main
    ]
    return "its command is there as the session's" if own else None


@promise("nothing twice")
def nothing_twice(evidence: Evidence) -> str | None:
    """No entry is there a second time, unless it was said a second time."""
    said = evidence.said()
    found = Counter((each.role, each.content) for each in evidence.recall if each.role != "system")
    doubled = [
        f"{times} times as {role}: {text[:60]!r}"
        for (role, text), times in found.items()
        if times > said.get(text, 1)
    ]
    return _first_wrong(doubled)


@promise("nothing machine-made")
def nothing_machine_made(evidence: Evidence) -> str | None:
    """Nothing is there as somebody's words that a program made."""
    return _nothing_of(_everything(evidence), MACHINE_MADE, "user", "assistant", "tool")


@promise("nothing of our own")
def nothing_of_our_own(evidence: Evidence) -> str | None:
    """Nothing is there that memory itself had told."""
    return _nothing_of(_everything(evidence), OURS)


@promise("compaction")
def compaction(evidence: Evidence) -> str | None:
    """After it the context is told again, once."""
    if "compact" not in evidence.abilities:
        raise NotSeen("it cannot be had to compact when it runs headless")
    if not any(each.given.kind == "compaction" for each in _done(evidence, "compact").exchanges):
        raise NotDone("no summary was asked for")
    first = _first(evidence, "compacted")
    copies = _told(first, "core-mark")
    return None if copies == 1 else f"{copies} copies of core memory in request {first.number}"


@promise("resume")
def resume(evidence: Evidence) -> str | None:
    """A resumed session is the same conversation, with one copy of the context in its history."""
    if "resume" not in evidence.abilities:
        raise NotSeen("it cannot resume when it runs headless")
    first = _first(evidence, "resumed")
    copies = _told(first, "core-mark")
    if copies != 1:
        return f"{copies} copies of core memory in request {first.number}"
    before = {message.conversation for message in evidence.with_text(day.LOOK, "user")}
    after = {message.conversation for message in evidence.with_text(day.RESUMED, "user")}
    return None if before & after or not after else "what was typed is in another conversation"


@promise("fork")
def fork(evidence: Evidence) -> str | None:
    """A fork's own words are there once, its copied history is told and stored once."""
    if "fork" not in evidence.abilities:
        raise NotSeen("it cannot fork when it runs headless")
    first = _first(evidence, "forked")
    copies = _told(first, "core-mark")
    if copies != 1:
        return f"{copies} copies of core memory in request {first.number}"
    return _counted(evidence, day.FORKED, "user")


@promise("one memory per repository")
def one_memory(evidence: Evidence) -> str | None:
    """A folder of the repository and a worktree have the repository's memory."""
    if not evidence.agents:
        raise NotDone("nothing was recorded")
    if len(evidence.agents) == 1:
        return None
    return f"{len(evidence.agents)} agents have messages: {', '.join(evidence.agents)}"


@promise("import adds nothing")
def import_adds_nothing(evidence: Evidence) -> str | None:
    """What the hooks recorded is not stored again from the host's own transcripts."""
    if evidence.import_failed:
        return evidence.import_failed
    if evidence.imported is None:
        raise NotSeen("its transcripts cannot be imported")
    before = sorted((each.role, each.content) for each in evidence.recall)
    added = [(each.role, each.content) for each in evidence.imported]
    for known in before:
        if known in added:
            added.remove(known)
    if not added:
        return None
    role, text = added[0]
    return f"{len(added)} more messages, the first as {role}: {text[:60]!r}"


@promise("import alone")
def import_alone(evidence: Evidence) -> str | None:
    """Without hooks the transcripts give every word once, and nothing machine-made."""
    if evidence.alone is None:
        raise NotSeen("its transcripts cannot be imported")
    alone = replace(evidence, recall=evidence.alone, imported=None)
    wrong = [_counted(alone, prompt, "user") for prompt in _typed(alone)]
    wrong += [_counted(alone, text, "assistant", n) for text, n in alone.said().items()]
    wrong += [_nothing_of(alone.recall, MACHINE_MADE, "user", "assistant", "tool")]
    wrong += [_nothing_of(alone.recall, OURS)]
    return _first_wrong(wrong)


@promise("context economy")
def economy(evidence: Evidence) -> str | None:
    """All that memory adds is at most 1.3 × the context once per history, and the differences.

    A host sends the whole history with each request. What the last request of a history holds is
    therefore what was told in all of it, without what was only sent again. It is looked at by line,
    so that a copy counts that was cut, or that stands inside another.
    """
    added = needed = 0
    for history in evidence.histories:
        last = evidence.last_request(history)
        if last is None:
            continue
        once: Counter[str] = Counter()
        for text in [*_shown(evidence, history), evidence.instructions]:
            once |= _lines(text)
        there = _lines(last.text)
        for _, answer in last.asked.results:  # an answer was asked for
            there -= _lines(answer)
        needed += sum(len(line) * times for line, times in once.items() if line in there)
        added += sum(len(line) * there[line] for line in once)
    if not needed:
        raise NotSeen("memory told nothing")
    ratio = added / needed
    return None if ratio <= ECONOMY else f"{ratio:.2f} × what had to be told ({added:,} characters)"


@promise("uninstall")
def uninstall(evidence: Evidence) -> str | None:
    """Nothing of it is left in the host's files."""
    if evidence.uninstall_failed:
        return evidence.uninstall_failed
    left = evidence.left_behind
    return f"still named in {', '.join(left)}" if left else None


# What the checks have in common.


def _hooked(evidence: Evidence) -> None:
    if "hooks" not in evidence.abilities:
        raise NotSeen("it has no hooks, so nothing is recorded as it happens")


def _done(evidence: Evidence, name: str) -> Step:
    step = evidence.steps.get(name)
    if step is None:
        raise NotSeen(f"the day had no step {name}")
    if step.failed:
        raise NotDone(f"{name}: {step.failed}")
    return step


def _first(evidence: Evidence, name: str) -> Exchange:
    step = _done(evidence, name)
    if not step.turns:
        raise NotDone(f"{name}: the model was not asked")
    return step.turns[0]


def _turns(evidence: Evidence) -> list[Exchange]:
    return [turn for step in evidence.steps.values() for turn in step.turns]


def _missing_tools(exchange: Exchange) -> list[str]:
    return [tool for tool in OUR_TOOLS if offered(exchange.asked.tools, tool) is None]


def _told(exchange: Exchange, mark: str) -> int:
    """How often a line of core memory stands in a request, in whatever form, but as an answer."""
    answers = sum(text.count(mark) for _, text in exchange.asked.results)
    return max(0, exchange.text.count(mark) - answers)


def _instructions_in(evidence: Evidence, exchange: Exchange) -> int:
    begin = evidence.instructions.strip()[:60]
    return _count(exchange, begin) if begin else 0


def _count(exchange: Exchange, text: str) -> int:
    return exchange.text.count(text)


def _lines(text: str) -> Counter[str]:
    return Counter(line.strip() for line in text.splitlines() if line.strip())


def _shown(evidence: Evidence, history: str) -> list[str]:
    """What the hooks of a history gave the host for its model."""
    return [
        run.shown for step in evidence.histories[history] for run in step.hooks if run.shown.strip()
    ]


def _our_results(evidence: Evidence) -> list[tuple[str, str]]:
    """Our tools' answers in the last request of the step that calls them all, by our names."""
    step = _done(evidence, "tools")
    if not step.turns:
        raise NotDone("tools: the model was not asked")
    found = [
        (tool, _unwrapped(text))
        for name, text in step.turns[-1].asked.results
        for tool in OUR_TOOLS
        if offered({name: None}, tool)
    ]
    if not found:
        raise NotDone("no answer of a tool reached the model")
    return found


def _unwrapped(text: str) -> str:
    """The text of an answer that a host passes on as it came, as a list of parts in JSON."""
    try:
        told = json.loads(text)
    except ValueError:
        return text
    if isinstance(told, dict) and set(told) <= {"content", "isError", "resultType"}:
        told = told.get("content")
    if not isinstance(told, list) or not told:
        return text
    if not all(isinstance(part, dict) and "text" in part for part in told):
        return text
    return "\n".join(str(part["text"]) for part in told)


def _is_json(text: str) -> bool:
    """Whether it is JSON, wholly or below what a host puts before it."""
    inside = text[text.find("{") :] if "{" in text else text
    for part in (text, inside):
        try:
            if isinstance(json.loads(part), dict | list):
                return True
        except ValueError:
            pass
    return False


def _typed(evidence: Evidence) -> list[str]:
    """What was typed, as far as it reached the model."""
    reached = {
        exchange.given.key for step in evidence.steps.values() for exchange in step.exchanges
    }
    return [prompt for prompt in evidence.typed if day.key(prompt) in reached]


def _counted(evidence: Evidence, text: str, role: str, times: int = 1) -> str | None:
    """What is wrong with how often, and as whose, a text is there."""
    others = {message.role for message in evidence.with_text(text)} - {role, "tool", "system"}
    if others:
        return f"{text!r} is there as {' and '.join(sorted(others))}"
    found = sum(message.content.count(text) for message in evidence.with_text(text, role))
    if found == times:
        return None
    return f"{text!r} is there {found} times and not {times} times"


def _first_wrong(found: Iterable[str | None]) -> str | None:
    wrong = [each for each in found if each]
    if not wrong:
        return None
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return f"{wrong[0]}{more}"


def _everything(evidence: Evidence) -> Iterable[Message]:
    """What is in the store at the end of the day, by hooks and by import."""
    return evidence.recall if evidence.imported is None else evidence.imported


def _nothing_of(messages: Iterable[Message], marks: Mapping[str, str], *roles: str) -> str | None:
    found: list[str] = []
    count = 0
    for message in messages:
        if roles and message.role not in roles:
            continue
        for what, mark in marks.items():
            if mark in message.content:
                count += 1
                told = f"{what} as {message.role}"
                if told not in found:
                    found.append(told)
    return f"{count} times: {', '.join(found)}" if found else None
