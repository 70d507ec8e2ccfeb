"""What a model says, without what it thought aloud on the way there.

Reasoning models mark their thoughts in the text, each family in its own way, and servers pass the
marks on whole, in halves or not at all: a template that opens the thought in the prompt leaves a
closing mark alone, and a limit on tokens leaves an opening one.
"""

import re
from collections.abc import Iterator

_NAMES = (
    "think|thinking|thought|thoughts|thought_process|reasoning|analysis|reflection"
    "|scratchpad|scratch_pad|monologue|inner_monologue|internal_monologue|inner_thoughts"
    "|antthinking|budget:thinking|seed:think|chain_of_thought|cot"
)
_OPENS = rf"""
    <(?:{_NAMES})(?:\s[^<>/]{{0,200}})?>
  | \[THINK\]
  | ◁think▷
  | <\|(?:begin_of_thought|START_THINKING|think|thinking|begin_of_think)\|>
  | <\|channel>\s{{0,9}}(?:thought|analysis|thinking)\b
"""
_CLOSES = rf"""
    </(?:{_NAMES})\s{{0,9}}>
  | \[/THINK\]
  | ◁/think▷
  | <\|(?:end_of_thought|END_THINKING|/think|/thinking|end_of_think)\|>
  | <channel\|>
"""
# Not what is quoted: notes about such marks are notes.
_QUOTE = "[`'\"\u201c\u201d\u2018\u2019\u00ab\u00bb]"
_MARK = re.compile(
    rf"(?<!{_QUOTE})(?:(?P<open>{_OPENS})|(?P<close>{_CLOSES}))(?!{_QUOTE})", re.I | re.X
)
_BEGINS = re.compile(rf"\s*(?:{_OPENS})", re.I | re.X)
_FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.M | re.S)
_HARMONY = re.compile(
    r"<\|channel\|>\s{0,9}(?P<channel>\w{1,40})[^<]{0,200}"
    r"(?:<\|constrain\|>[^<]{0,200})?<\|message\|>(?P<text>.*?)"
    r"(?=<\|(?:end|return|call|start|channel)\|>|\Z)",
    re.S,
)
_LEFT = re.compile(
    r"<\|(?:start|end|return|call|channel|message|constrain|begin_of_solution|end_of_solution"
    r"|START_RESPONSE|END_RESPONSE|im_end|eot_id|endoftext)\|>"
)
_FRAME = re.compile(r"\s*<(answer|final|final_answer|response|output|reply)>", re.I)
# Granite's, in plain words.
_GRANITE = re.compile(
    r"\A\s*Here(?:'s| is) my thought process:.*?^[ \t]*Here(?:'s| is) my response:", re.M | re.S
)


def without_reasoning(text: str) -> str:
    """What is said in `text`; nothing where all of it is thought.

    A closing mark without its opening one ends a thought that began before the text, and an opening
    one without its end never ended: both go. Text without marks stays as it is.
    """
    said = _outside(_GRANITE.sub("", _final_channel(text)))
    if said == text:
        return text
    return _unframed(_LEFT.sub("", said)).strip()


def _final_channel(text: str) -> str:
    """Of OpenAI's harmony format what is in no channel of thought."""
    if "<|channel|>" in text:
        channels = list(_HARMONY.finditer(text))
        final = [part["text"] for part in channels if part["channel"].lower() == "final"]
        # What comes before the first channel was said in none.
        return "".join(final) or text[: text.index("<|channel|>")].partition("<|start|>")[0]
    if "<|message|>" in text:
        return text.rpartition("<|message|>")[2]
    # As a server shows it that drops the marks alone.
    if text.startswith("analysis") and "assistantfinal" in text:
        return text.rpartition("assistantfinal")[2]
    return text


def _outside(text: str) -> str:
    """What is outside of all thoughts, however deep they nest."""
    marks = list(_marks(text))
    if not marks:
        return text
    parts: list[str] = []
    at = depth = 0
    closed = 0
    for mark in marks:
        if mark["open"]:
            if depth == 0:
                parts.append(text[at : mark.start()])
            depth += 1
            continue
        closed = mark.end()
        if depth == 0:  # the end of a thought that began before: all so far was thought
            parts.clear()
        depth = max(0, depth - 1)
        at = mark.end()
    if depth == 0 or (closed and not any(mark.end() > closed for mark in marks)):
        # A thought that only names its own mark doesn't take the answer with it.
        parts.append(text[closed:])
    return "".join(parts)


def _unframed(text: str) -> str:
    """An answer that is marked as one, without the marks."""
    frame, whole = _FRAME.match(text), text.rstrip()
    if frame is None:
        return text
    closing = f"</{frame[1]}>"
    inner = whole[frame.end() :]
    return inner.removesuffix(closing) if inner.count(closing) == inner.endswith(closing) else text


def _marks(text: str) -> Iterator[re.Match[str]]:
    # A thought may open a code block that it never closes.
    thinks = _BEGINS.match(text) is not None
    fenced = [] if thinks else [match.span() for match in _FENCE.finditer(text)]
    for mark in _MARK.finditer(text):
        if not any(start <= mark.start() < end for start, end in fenced):
            yield mark
