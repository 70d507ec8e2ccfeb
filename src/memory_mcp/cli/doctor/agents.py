"""Agents whose project is not where it was, or whose folder has another agent's memory by now."""

import shlex
from collections.abc import Iterator, Sequence

from memory_mcp.cli.doctor.finding import Finding
from memory_mcp.domain.agents import Agent
from memory_mcp.domain.texts import counted
from memory_mcp.projects import gone, project_of

TOLD_MAX = 20


def look(agents: Sequence[Agent], project_by: str) -> Iterator[Finding]:
    """A note for each of them, as far as there are not too many."""
    by_project = {agent.project: agent for agent in agents if agent.project}
    found = [
        finding
        for agent in by_project.values()
        if (finding := _of(agent, by_project, project_by)) is not None
    ]
    yield from found[:TOLD_MAX]
    if (more := len(found) - TOLD_MAX) > 0:
        told = f"and {counted(more, 'more agent')} whose folder is gone or has another's memory"
        yield Finding("agents", "note", told, "memory-mcp agents lists them all")


def _of(agent: Agent, by_project: dict[str, Agent], project_by: str) -> Finding | None:
    project, name = agent.project or "", shlex.quote(agent.name)
    if gone(project):
        told = f"the folder of agent {agent.name!r} is gone: {project}"
        cure = f"memory-mcp agents move {name} --project FOLDER, if it lies elsewhere by now"
        return Finding("agents", "note", told, cure)
    now = project_of(project, by=project_by)
    if now == project:
        return None
    if now is None:
        told = (
            f"agent {agent.name!r} was made for {project}, which is no repository: sessions there "
            "have the memory of 'default'"
        )
        cure = f"git init there, or --agent {name}, or MEMORY_MCP_PROJECT_BY=folder for all folders"
        return Finding("agents", "note", told, cure)
    told = f"agent {agent.name!r} was made for {project}, which belongs to the repository {now}"
    owner = by_project.get(now)
    if owner is None:
        cure = f"memory-mcp agents move {name} --project {shlex.quote(now)}"
        return Finding("agents", "note", told, cure)
    told += f": sessions there have the memory of {owner.name!r}"
    cure = (
        f"memory-mcp --agent {name} export jsonl - | memory-mcp --agent {shlex.quote(owner.name)} "
        "import jsonl -   brings it over; or --agent keeps it apart"
    )
    return Finding("agents", "note", told, cure)
