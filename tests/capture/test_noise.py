"""How much a session is told: the context once, then differences, and else nothing."""

from pathlib import Path

from tests.capture.conftest import Spool

from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.differences import difference
from memory_mcp.testing import open_memory

PROMPTS = 60
CHANGES = {7: "human", 19: "project", 20: "project", 41: "human", 58: "persona"}


async def test_a_session_of_60_prompts_is_told_little_more_than_what_changed(
    tmp_path: Path,
) -> None:
    database = tmp_path / "memory.db"
    async with open_memory(database) as services:
        agent_id = (await services.agents.choose(AgentChoice(name="ada"))).id
        core = services.core_memory
        for label in ("human", "project", "persona"):
            lines = "\n".join(f"Fact {number} of {label}." for number in range(30))
            await core.append(agent_id, label, lines)
        hook = Spool(services, database, "claude-code")
        context = await hook.tell(hook_event_name="SessionStart", source="startup")
        told, changed = [context], 0
        for number in range(PROMPTS):
            if label := CHANGES.get(number):
                new = f"Decided at prompt {number}: the tide gate opens at 06:{number}."
                edited = await core.append(agent_id, label, new)
                changed += len(difference(edited.before.value, edited.after.value))
            told.append(
                await hook.tell(
                    hook_event_name="UserPromptSubmit", prompt_id=str(number), prompt=f"Do {number}"
                )
            )
    spoken = [text for text in told[1:] if text]
    assert len(spoken) == len(CHANGES)
    assert all("Decided at prompt" in text for text in spoken)
    assert sum(map(len, told)) <= 1.2 * (len(context) + changed)
