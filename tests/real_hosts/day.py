"""The day in miniature: what a person does with one host, and what is looked at afterwards.

A session begins with no daemon running; there are prompts with tool calls, one typed while the
model works, a subagent, an error of the provider's, a block changed by another session, a
compaction. The session is resumed and forked; the next day there is one in a folder of the
repository and one in a worktree. Then the host's own transcripts are imported, and memory is
uninstalled.
"""

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.real_hosts.evidence import Evidence, Message, Step, exported, filers, naming
from tests.real_hosts.hosts.host import Host, HostFailed, Session
from tests.real_hosts.model.scenario import FILL, Scene

from memory_mcp.testing.chat import Answer, calls, says

DAY_SECONDS = 400
"""After so long nothing more is begun."""
START_SECONDS = 60
SETTLE_SECONDS = 20

# Every text stands for itself alone, so that it is found wherever it comes to lie.
CORE = "The harbour lamp is green, core-mark."
CHANGE = "The harbour lamp is red now, diff-mark."
PASSAGE = "Keeper's log number {number}: the lighthouse was lit. " + "It rained on the pier. " * 40
PASSAGES = 30

LOOK = "Please look around the harbour. (typed-look)"
TOOLS = "Now use everything that memory has. (typed-tools)"
BUSY = "Take your time with this one. (typed-slowly)"
QUEUED = "And mind the tide as well. (typed-meanwhile)"
CHANGED = "What colour is the lamp? (typed-after-change)"
DELEGATE = "Have somebody else look. (typed-delegate)"
REFUSED = "This one is refused. (typed-refused)"
COMPACTED = "Where were we? (typed-after-compaction)"
RESUMED = "Good morning again. (typed-resumed)"
FORKED = "Let us try it another way. (typed-forked)"
NEXT_DAY = "A new day at the lights. (typed-next-day)"
LONG = FILL
WORKTREE = "Repair the lamp in here. (typed-worktree)"
TYPED = (
    LOOK, TOOLS, BUSY, QUEUED, CHANGED, DELEGATE, REFUSED, COMPACTED, RESUMED, FORKED, NEXT_DAY,
    WORKTREE, LONG,
)  # fmt: skip

BEFORE_CALL = "I look first, said-before-a-call."
SHELL_OUTPUT = "shell-output-mark"
ORDER = "You are the helper, look around. (order-to-helper)"
HELPER_SHELL = "helper-shell-mark"
HELPER_REPORT = "The helper saw two lamps, helper-report-mark."
FILED = "The tide tables are in the attic, filed-mark."
NOTED = "Likes short answers, noted-mark."
CORRECTED = "Likes very short answers, corrected-mark."


def key(prompt: str) -> str:
    """The word that a prompt is known by."""
    return prompt.rpartition("(")[2].rstrip(")")


def scenes(host: Host) -> list[Scene]:
    """What the model says to each prompt of the day."""

    def scene(prompt: str, *answers: Answer) -> Scene:
        said = says(f"Answered {key(prompt).removeprefix('typed-')}, said-{key(prompt)}.")
        return Scene(key=key(prompt), answers=[*answers, said])

    found = [
        scene(LOOK, says(BEFORE_CALL) + host.shell(f"echo {SHELL_OUTPUT}")),
        scene(
            TOOLS,
            calls("core_memory_append", label="human", content=NOTED),
            calls("core_memory_replace", label="human", old_content=NOTED, new_content=CORRECTED),
            calls("archival_insert", content=FILED),
            calls("archival_search", query="tide tables attic"),
            calls("archival_search", query="keeper's log lighthouse", limit=20),
            calls("conversation_search", query="look around the harbour"),
            calls("send_to_agent", message="status", to="shadow"),
        ),
        scene(BUSY, host.shell("sleep 4")),
        scene(QUEUED),
        scene(CHANGED),
        Scene(key=key(REFUSED), refused=True),
        scene(LONG, Answer(tokens=(host.full_window, 20)) + host.shell("echo long")),
        scene(COMPACTED),
        scene(RESUMED),
        scene(FORKED),
        scene(NEXT_DAY),
        scene(WORKTREE),
    ]
    if "subagent" in host.abilities:
        found.append(scene(DELEGATE, *host.delegate(ORDER)))
        helper = [
            host.shell(f"echo {HELPER_SHELL}"),
            calls("archival_search", query="tide tables"),
            *host.report(HELPER_REPORT),
        ]
        found.append(Scene(key=key(ORDER), answers=helper, subagent=True))
    return found


class Day:
    """A day with one host; call it once."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._place = host.place
        self._steps: dict[str, Step] = {}
        self._history = "first session"
        self._deadline = time.monotonic() + DAY_SECONDS

    def __call__(self) -> Evidence:
        """Live through it.

        Raises:
            HostFailed: memory could not be installed, so there is nothing to see.
        """
        self._prepare()
        self._first_session()
        self._settle()
        store = self._place.memory("export", "jsonl", "-", "--all")
        recall = exported(store)
        imported, import_failed = self._import()
        uninstall_failed = ""
        try:
            self._host.uninstall()
        except RuntimeError as error:
            uninstall_failed = str(error)
        command = self._place.server_command[0]
        return Evidence(
            abilities=frozenset(self._host.abilities),
            steps=self._steps,
            typed=TYPED,
            instructions=self._instructions,
            recall=recall,
            imported=imported,
            import_failed=import_failed,
            alone=self._imported_alone(),
            agents=sorted({message.agent for message in recall} | filers(store)),
            left_behind=naming(self._place.home, command),
            uninstall_failed=uninstall_failed,
        )

    def _prepare(self) -> None:
        self._host.configure()
        try:
            self._host.install()
        except RuntimeError as error:
            raise HostFailed(str(error)) from None
        self._place.memory("blocks", "set", "project", "--value", CORE)
        notes = self._place.root / "passages.jsonl"
        told = [{"content": PASSAGE.format(number=each)} for each in range(PASSAGES)]
        notes.write_text("".join(json.dumps(line) + "\n" for line in told))
        self._place.memory("import", "passages", str(notes))
        self._instructions = self._asked_for_instructions()
        self._place.memory("daemon", "stop")  # so that the first session starts cold

    def _first_session(self) -> None:
        host, place = self._host, self._place
        session = host.start(place.project)
        self._step("cold", lambda: session.say(LOOK))
        self._step("tools", lambda: session.say(TOOLS))
        session.end()
        # What no host does at once can be done in a resumed session by all that resume.
        if "resume" in host.abilities:
            session = self._begin("resume", lambda: host.resume(session, place.project)) or session
        if "busy" in host.abilities:
            self._step("busy", lambda: self._while_busy(session))
        place.memory("blocks", "set", "project", "--value", f"{CORE}\n{CHANGE}")
        self._step("changed", lambda: session.say(CHANGED))
        if "subagent" in host.abilities:
            self._step("subagent", lambda: session.say(DELEGATE))
        self._step("refused", lambda: session.say(REFUSED))
        if "compact" in host.abilities:
            self._step("compact", session.compact)
            self._history = "after compaction"
            self._step("compacted", lambda: session.say(COMPACTED))
        session.end()
        if "resume" in host.abilities:
            resumed = self._begin("resume", lambda: host.resume(session, place.project))
            if resumed:
                self._step("resumed", lambda: resumed.say(RESUMED))
                resumed.end()
        if "fork" in host.abilities:
            self._history = "fork"
            forked = self._begin("fork", lambda: host.fork(session, place.project))
            if forked:
                self._step("forked", lambda: forked.say(FORKED))
                forked.end()
        self._another("next day", place.subfolder, NEXT_DAY)
        self._another("worktree", place.worktree, WORKTREE)

    def _another(self, name: str, folder: Path, prompt: str) -> None:
        self._history = name
        session = self._begin(name, lambda: self._host.start(folder))
        if session:
            self._step(name, lambda: session.say(prompt))
            session.end()

    def _while_busy(self, session: Session) -> None:
        session.say_while_busy(
            BUSY,
            lambda: self._host.model.wait_for(
                lambda each: each.given.key == key(BUSY), START_SECONDS
            ),
            QUEUED,
        )

    def _begin(self, name: str, start: Callable[[], Session]) -> Session | None:
        try:
            return start()
        except HostFailed as error:
            self._steps[name] = Step(name=name, history=self._history, failed=str(error))
            return None

    def _step(self, name: str, do: Callable[[], None]) -> None:
        if time.monotonic() > self._deadline:
            late = f"the day's time of {DAY_SECONDS} s is used up"
            self._steps[name] = Step(name=name, history=self._history, failed=late)
            return
        before, hooks = len(self._host.model.exchanges), len(self._place.hook_runs)
        failed = ""
        try:
            do()
        except HostFailed as error:
            failed = str(error)
        self._settle()
        self._steps[name] = Step(
            name=name,
            history=self._history,
            exchanges=self._host.model.exchanges[before:],
            hooks=self._place.hook_runs[hooks:],
            failed=failed,
        )

    def _settle(self) -> None:
        """Return when the hooks have ended, which hosts do not all wait for."""
        self._place.wait_until_settled(SETTLE_SECONDS)

    def _import(self) -> tuple[Sequence[Message] | None, str]:
        there = self._host.transcripts
        if there is None:
            return None, ""
        try:
            self._place.memory("import", self._host.import_format, str(there))
        except RuntimeError as error:
            return None, str(error)
        return exported(self._place.memory("export", "jsonl", "-", "--all")), ""

    def _imported_alone(self) -> Sequence[Message] | None:
        """Into a store of its own, as somebody does who installs no hooks."""
        there = self._host.transcripts
        if there is None:
            return None
        own = ("--database", str(self._place.root / "alone.db"), "--in-process")
        try:
            self._place.memory(*own, "import", self._host.import_format, str(there))
            return exported(self._place.memory(*own, "export", "jsonl", "-", "--all"))
        except RuntimeError:
            return None  # said where it was imported first

    def _asked_for_instructions(self) -> str:
        """What the server itself says of memory, to a client that knows no later era."""
        who = {"name": "real_hosts", "version": "1"}
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": who}
        asked = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
        ended = subprocess.run(
            self._place.server_command,
            input=json.dumps(asked) + "\n",
            cwd=self._place.project,
            env=self._place.environment(),
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=True,
        )
        return json.loads(ended.stdout.splitlines()[0])["result"]["instructions"]
