"""How much a session is told: the context once, then differences, and else nothing."""

import json
from pathlib import Path

from tests.capture.conftest import text_of

from memory_mcp.capture.host import Host
from memory_mcp.capture.intake import HOSTS, Intake
from memory_mcp.domain.agents import AgentChoice
from memory_mcp.domain.differences import difference
from memory_mcp.services import Services
from memory_mcp.testing import open_memory

PROMPTS = 60
CHANGES = {7: "human", 19: "project", 20: "project", 41: "human", 58: "persona"}


class Hook:
    """Calls of one host's hooks, put into the spool by hand and answered in this process."""

    def __init__(self, services: Services, database: Path, host: Host) -> None:
        self.folder = database.with_name(f"{database.name}.hooks")
        self.folder.mkdir()
        self.intake = Intake(services, database, str(self.folder))
        self.host = host.name
        self.calls = 0

    async def tell(self, **payload: str) -> str:
        """What the model is told after one call."""
        self.calls += 1
        name = f"{self.calls:020}-1.json"
        head = {"host": self.host, "at": "2026-11-25T09:00:00.000Z", "agent": "ada"}
        told = {"session_id": "s1", **payload}
        (self.folder / name).write_text(f"{json.dumps(head)}\n{json.dumps(told)}", "utf-8")
        answer = await self.intake.answer(name)
        if answer.told is not None:
            await answer.told()
        return text_of(answer.text)


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
        hook = Hook(services, database, HOSTS["claude-code"])
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
