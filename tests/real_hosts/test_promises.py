"""Each promise's check: kept on a good day, and broken by what breaks it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.real_hosts import day
from tests.real_hosts.evidence import OUR_TOOLS, Evidence, Message, Step, exported
from tests.real_hosts.model import chat_completions
from tests.real_hosts.model.scenario import Given, Kind
from tests.real_hosts.model.server import Exchange
from tests.real_hosts.promises import PROMISES, judged
from tests.real_hosts.table import BEGIN, END, Row, write
from tests.real_hosts.workplace import HookRun

from memory_mcp.testing.chat import says

INSTRUCTIONS = "This is the memory of a stateful agent, and these are its rules of the house."
CONTEXT = f"<memory_blocks>\nOne line.\n{day.CORE}\nAnother line.\n</memory_blocks>"
DIFFERENCE = f"Core memory changed:\n+ {day.CHANGE}"
ANSWERS = {name: f"{name} has done it." for name in OUR_TOOLS} | {
    "archival_search": f"{day.FILED}\nKeeper's log number 1.\n2 of 31 passages."
}
LAST_WORDS = "Answered, said-at-the-end."
ABILITIES = frozenset({"busy", "subagent", "compact", "resume", "fork", "hooks", "import"})


def exchange(
    prompt: str,
    *told: str,
    said: str = "",
    kind: Kind = "turn",
    answers: Sequence[tuple[str, str]] = (),
    tools: Sequence[str] = OUR_TOOLS,
) -> Exchange:
    """A request in which the host was told these texts."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": text} for text in told]
    messages.append({"role": "user", "content": prompt})
    for place, (name, text) in enumerate(answers):
        call = {"id": str(place), "function": {"name": name, "arguments": "{}"}}
        messages.append({"role": "assistant", "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": str(place), "content": text})
    names = [f"mcp__memory__{name}" if name in OUR_TOOLS else name for name in tools]
    offered = [{"function": {"name": name}} for name in names]
    body = {"messages": messages, "tools": offered}
    return Exchange(
        number=1,
        at=0.0,
        path="/v1/chat/completions",
        headers={},
        body=body,
        asked=chat_completions.read(body),
        given=Given(answer=says(said), kind=kind, key=day.key(prompt)),
    )


def step(name: str, history: str, *exchanges: Exchange, shown: str = "") -> Step:
    """A step, with a hook that showed something."""
    said = json.dumps({"hookSpecificOutput": {"additionalContext": shown}})
    run = HookRun(at=0.0, told={"hook_event_name": "SessionStart"}, said=said, complained="")
    return Step(name=name, history=history, exchanges=exchanges, hooks=[run] if shown else [])


def message(role: str, content: str, conversation: str = "first") -> Message:
    """An entry of recall."""
    return Message(role=role, content=content, agent="harbour", conversation=conversation)


def good_day() -> Evidence:
    """One on which every promise is kept."""
    both = (INSTRUCTIONS, CONTEXT)
    after = (*both, DIFFERENCE)
    first = "first session"
    shell = [("Bash", day.SHELL_OUTPUT)]
    steps = [
        step(
            "cold",
            first,
            exchange(day.LOOK, *both, said=day.BEFORE_CALL),
            exchange(day.LOOK, *both, answers=shell, said=LAST_WORDS),
            shown=CONTEXT,
        ),
        step("tools", first, exchange(day.TOOLS, *both, answers=list(ANSWERS.items()))),
        step("busy", first, exchange(day.BUSY, *both), exchange(day.QUEUED, *both)),
        step("changed", first, exchange(day.CHANGED, *after), shown=DIFFERENCE),
        step(
            "subagent",
            first,
            exchange(day.DELEGATE, *after),
            exchange(day.ORDER, kind="subagent"),
        ),
        step("compact", first, exchange("Summarise.", kind="compaction")),
        step("compacted", "after compaction", exchange(day.COMPACTED, *both), shown=CONTEXT),
        step("resumed", "after compaction", exchange(day.RESUMED, *both)),
        step("forked", "fork", exchange(day.FORKED, *both), shown=CONTEXT),
        step("next day", "next day", exchange(day.NEXT_DAY, *both), shown=CONTEXT),
        step("worktree", "worktree", exchange(day.WORKTREE, *both), shown=CONTEXT),
    ]
    typed = [
        day.LOOK, day.TOOLS, day.BUSY, day.QUEUED, day.CHANGED, day.DELEGATE, day.COMPACTED,
        day.RESUMED, day.FORKED, day.NEXT_DAY, day.WORKTREE,
    ]  # fmt: skip
    recall = [message("user", text) for text in typed]
    recall += [message("assistant", text) for text in (day.BEFORE_CALL, LAST_WORDS)]
    recall += [
        message("tool", f"Bash(echo)\n→ {day.SHELL_OUTPUT}"),
        message("tool", day.HELPER_SHELL, "helper"),
    ]
    return Evidence(
        abilities=ABILITIES,
        steps={each.name: each for each in steps},
        typed=typed,
        instructions=INSTRUCTIONS,
        recall=recall,
        imported=recall,
        alone=recall,
        agents=["harbour"],
    )


def with_step(name: str, *exchanges: Exchange, shown: str = "") -> Callable[[Evidence], Evidence]:
    """The day with another step of that name."""

    def spoil(good: Evidence) -> Evidence:
        before = good.steps[name]
        new = step(name, before.history, *exchanges, shown=shown)
        return replace(good, steps={**good.steps, name: new})

    return spoil


def with_recall(*more: Message, without: str = "") -> Callable[[Evidence], Evidence]:
    """The day with other entries of recall."""

    def spoil(good: Evidence) -> Evidence:
        kept = [each for each in good.recall if not without or without not in each.content]
        return replace(good, recall=[*kept, *more], imported=[*kept, *more])

    return spoil


def answering(**texts: str) -> Callable[[Evidence], Evidence]:
    """The day on which our tools answered otherwise."""
    answers = list((ANSWERS | texts).items())
    return with_step("tools", exchange(day.TOOLS, INSTRUCTIONS, CONTEXT, answers=answers))


TWICE = (INSTRUCTIONS, CONTEXT, CONTEXT)
SPOILT: dict[str, tuple[Callable[[Evidence], Evidence], str]] = {
    "installs": (
        lambda good: replace(
            good,
            steps={
                each.name: replace(each, exchanges=[exchange(day.LOOK, tools=OUR_TOOLS[:5])])
                for each in good.steps.values()
            },
        ),
        "the session ends without send_to_agent",
    ),
    "tools at once when cold": (
        with_step("cold", exchange(day.LOOK, tools=["tool_search"])),
        "(they are behind tool_search)",
    ),
    "instructions reach the model": (with_step("cold", exchange(day.LOOK, CONTEXT)), "has none"),
    "context at the start": (
        with_step("worktree", exchange(day.WORKTREE, INSTRUCTIONS)),
        "first request of: worktree",
    ),
    "told once": (with_step("busy", exchange(day.BUSY, *TWICE)), "2 copies in request 1 (busy)"),
    "differences once": (
        with_step("changed", exchange(day.CHANGED, CONTEXT)),
        "told 0 times with the next prompt",
    ),
    "tool answers are text": (
        answering(archival_insert='Wall time: 1\nOutput:\n{"id": "passage-1"}'),
        "archival_insert came as JSON",
    ),
    "answers within the budget": (
        answering(archival_search="Keeper's log. filed-mark " + "x" * 20_000),
        "20,025 characters of archival_search",
    ),
    "nothing given, nothing refused": (
        answering(send_to_agent="Input validation error: tags"),
        "send_to_agent: Input validation",
    ),
    "prompts recorded": (with_recall(message("user", day.LOOK)), "there 2 times and not 1"),
    "answers recorded": (with_recall(without=LAST_WORDS), "there 0 times and not 1"),
    "words before a tool call recorded": (with_recall(without=day.BEFORE_CALL), "there 0 times"),
    "tools recorded": (with_recall(without=day.SHELL_OUTPUT), "the command is there 0 times"),
    "typed while busy recorded": (with_recall(without=day.QUEUED), "there 0 times"),
    "subagents kept apart": (with_recall(message("user", day.ORDER)), "as the user's words"),
    "nothing twice": (
        with_recall(message("tool", f"Bash(echo)\n→ {day.SHELL_OUTPUT}")),
        "2 times as tool: 'Bash(echo)",
    ),
    "nothing machine-made": (
        with_recall(message("user", "<task-notification>Done.</task-notification>")),
        "a notification of a task as user",
    ),
    "nothing of our own": (with_recall(message("user", CONTEXT)), "core memory as user"),
    "compaction": (with_step("compacted", exchange(day.COMPACTED, *TWICE)), "2 copies"),
    "resume": (with_step("resumed", exchange(day.RESUMED, *TWICE)), "2 copies"),
    "fork": (with_step("forked", exchange(day.FORKED, *TWICE)), "2 copies"),
    "one memory per repository": (
        lambda good: replace(good, agents=["harbour", "lights"]),
        "2 agents have messages: harbour, lights",
    ),
    "import adds nothing": (
        lambda good: replace(good, imported=[*good.recall, message("user", day.LOOK)]),
        "1 more messages, the first as user",
    ),
    "import alone": (lambda good: replace(good, alone=good.recall[1:]), "there 0 times"),
    "context economy": (
        with_step("worktree", exchange(day.WORKTREE, *[CONTEXT] * 9), shown=CONTEXT),
        "× what had to be told",
    ),
    "uninstall": (lambda good: replace(good, left_behind=[".x/y.json"]), "still named in .x/y"),
}


def verdicts(evidence: Evidence) -> dict[str, str]:
    """Of each promise."""
    return {each.promise: each.verdict for each in judged(evidence)}


def test_every_promise_is_kept_on_a_good_day() -> None:
    assert {each.promise: each.why for each in judged(good_day()) if each.verdict != "yes"} == {}


def test_every_promise_has_something_that_breaks_it() -> None:
    assert list(SPOILT) == list(PROMISES)


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_that_is_broken_is_seen_to_be(promise: str) -> None:
    spoil, words = SPOILT[promise]
    found = {each.promise: each for each in judged(spoil(good_day()))}
    assert found[promise].verdict == "no"
    assert words in found[promise].why


def test_a_step_that_the_host_failed_is_no_promise_kept() -> None:
    good = good_day()
    failed = replace(good.steps["forked"], failed="it has ended", exchanges=[])
    spoilt = replace(good, steps={**good.steps, "forked": failed})
    assert verdicts(spoilt)["fork"] == "no"


def test_what_a_host_does_not_have_is_not_judged() -> None:
    found = verdicts(replace(good_day(), abilities=frozenset({"hooks"})))
    assert [name for name, verdict in found.items() if verdict == "–"] == [
        "typed while busy recorded", "subagents kept apart", "compaction", "resume", "fork",
    ]  # fmt: skip


def test_parts_in_json_are_text_as_long_as_no_structure_comes_with_them() -> None:
    parts = [{"type": "text", "text": text} for text in ("Kept.", day.FILED)]
    for told, verdict in (
        (parts, "yes"),
        ({"content": parts}, "yes"),
        ({"content": parts, "structuredContent": {"kept": True}}, "no"),
    ):
        answered = answering(archival_search=json.dumps(told))(good_day())
        assert verdicts(answered)["tool answers are text"] == verdict


def test_messages_are_read_from_an_export() -> None:
    lines = [
        {"kind": "memory-mcp", "format": 1},
        {"kind": "message", "role": "user", "content": "Hello.", "agent": "a", "name": None},
    ]
    (found,) = exported("".join(json.dumps(line) + "\n" for line in lines))
    assert (found.role, found.content, found.agent) == ("user", "Hello.", "a")


def test_the_table_has_a_column_for_each_host_and_keeps_those_that_were_not_run(
    tmp_path: Path,
) -> None:
    page = tmp_path / "hosts.md"
    page.write_text(f"Before.\n\n{BEGIN}\n{END}\n\nAfter.\n")
    spoil, _ = SPOILT["told once"]
    write(page, [Row("First", "1.0", judged(good_day()), {})], "2026-11-28")
    write(page, [Row("Second", "2.0", judged(spoil(good_day())), {})], "2026-11-29")
    told = page.read_text().splitlines()
    assert told[0] == "Before."
    assert "| promise | First | Second |" in told
    assert "| version, seen on | 1.0, 2026-11-28 | 2.0, 2026-11-29 |" in told
    assert "| told once | yes | no, 2 copies in request 1 (busy) |" in told
    assert told[-1] == "After."


def test_a_limit_of_the_host_is_told_in_its_own_words(tmp_path: Path) -> None:
    page = tmp_path / "hosts.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    spoil, _ = SPOILT["instructions reach the model"]
    limits = {"instructions reach the model": "it shows none"}
    write(page, [Row("First", "1.0", judged(spoil(good_day())), limits)], "2026-11-28")
    assert "| instructions reach the model | no, it shows none |" in page.read_text()
