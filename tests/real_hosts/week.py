"""A week of two hosts on one project, in one home: what each recorded is the other's memory, too.

Every day there is a session with each; the one of the day before is resumed in between. Then the
transcripts of both are imported, as somebody does who is not sure that the hooks ran.
"""

from collections.abc import Sequence

from tests.real_hosts.day import CORE, SETTLE_SECONDS, key
from tests.real_hosts.evidence import Evidence, Message, Step, exported, filers
from tests.real_hosts.hosts.host import Host, HostFailed, Session
from tests.real_hosts.model.scenario import Scene

from memory_mcp.testing.chat import calls, says

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
JUDGED = (
    "context at the start",
    "told once",
    "prompts recorded",
    "answers recorded",
    "nothing twice",
    "nothing machine-made",
    "nothing of our own",
    "one memory per repository",
    "import adds nothing",
    "context economy",
)
"""The promises that a week is about."""


def typed(host: Host, weekday: str, part: str) -> str:
    """What is typed in a part of a day; no two are alike."""
    return f"On {weekday} I ask {host.title}, {part}. (typed-{weekday}-{host.name}-{part})"


def scenes(hosts: Sequence[Host]) -> list[Scene]:
    """What the model says."""
    found: list[Scene] = []
    for host in hosts:
        for weekday in DAYS:
            morning, noon, evening = (
                typed(host, weekday, part) for part in ("morning", "noon", "evening")
            )
            found += [
                Scene(
                    key=key(morning),
                    answers=[
                        says(f"I look, said-first-{key(morning)}.")
                        + host.shell(f"echo printed-{key(morning)}"),
                        says(f"Looked, said-last-{key(morning)}."),
                    ],
                ),
                Scene(
                    key=key(noon),
                    answers=[
                        calls("archival_insert", content=f"The tide of {weekday}, filed-mark."),
                        calls("conversation_search", query=f"{weekday} morning"),
                        says(f"Filed, said-{key(noon)}."),
                    ],
                ),
                Scene(key=key(evening), answers=[says(f"Good night, said-{key(evening)}.")]),
            ]
    return found


class Week:
    """A week with hosts that share a workplace and a model; call it once."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        self._hosts = hosts
        self._place = hosts[0].place
        self._model = hosts[0].model
        self._steps: dict[str, Step] = {}
        self._typed: list[str] = []

    def __call__(self) -> Evidence:
        """Live through it.

        Raises:
            HostFailed: memory could not be installed into one of them.
        """
        try:
            for host in self._hosts:
                host.configure()
                host.install()
        except RuntimeError as error:
            raise HostFailed(str(error)) from None
        self._place.memory("blocks", "set", "project", "--value", CORE)
        before: dict[str, Session] = {}
        for weekday in DAYS:
            for host in self._hosts:
                self._one_day(host, weekday, before)
        store = self._place.memory("export", "jsonl", "-", "--all")
        recall = exported(store)
        for host in self._hosts:
            self._place.memory("import", host.name, str(host.transcripts))
        return Evidence(
            abilities=frozenset({"hooks", "resume", "import"}),
            steps=self._steps,
            typed=self._typed,
            recall=recall,
            imported=self._stored(),
            agents=sorted({message.agent for message in recall} | filers(store)),
        )

    def _one_day(self, host: Host, weekday: str, before: dict[str, Session]) -> None:
        session = host.start(self._place.project)
        history = f"{host.name} {weekday}"
        self._say(session, history, typed(host, weekday, "morning"))
        self._say(session, history, typed(host, weekday, "noon"))
        session.end()
        if yesterday := before.get(host.name):
            resumed = host.resume(yesterday, self._place.project)
            self._say(resumed, f"{history}, resumed", typed(host, weekday, "evening"))
            resumed.end()
        before[host.name] = session

    def _say(self, session: Session, history: str, prompt: str) -> None:
        exchanges, hooks = len(self._model.exchanges), len(self._place.hook_runs)
        failed = ""
        try:
            session.say(prompt)
        except HostFailed as error:
            failed = str(error)
        self._place.wait_until_settled(SETTLE_SECONDS)
        self._typed.append(prompt)
        self._steps[key(prompt)] = Step(
            name=key(prompt),
            history=history,
            exchanges=self._model.exchanges[exchanges:],
            hooks=self._place.hook_runs[hooks:],
            failed=failed,
        )

    def _stored(self) -> Sequence[Message]:
        return exported(self._place.memory("export", "jsonl", "-", "--all"))
