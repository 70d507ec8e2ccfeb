"""Eviction: what leaves the context window, and what may be shown at any moment."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from memory_mcp.domain.eviction import (
    ContextWindow,
    EvictionPlan,
    FixedTooLarge,
    InView,
    View,
    fit,
    plan_eviction,
)
from memory_mcp.domain.messages import Role

ROLES_BY_LETTER: dict[str, Role] = {"u": "user", "a": "assistant", "t": "tool", "s": "system"}


def window(
    written: str = "", *, limit: int = 100, fixed: int = 0, summary: int = 0
) -> ContextWindow:
    """`window("u10 a20")`: roles and tokens of the messages, numbered from 1."""
    messages = [
        InView(seq=seq, role=ROLES_BY_LETTER[told[0]], tokens=int(told[1:]))
        for seq, told in enumerate(written.split(), 1)
    ]
    return ContextWindow(
        limit_tokens=limit, fixed_tokens=fixed, summary_tokens=summary, messages=messages
    )


def after(before: ContextWindow, plan: EvictionPlan, summary: int | None = None) -> ContextWindow:
    """The window once the plan was carried out, with a summary of full length unless told."""
    staying = [message for message in before.messages if message.seq in plan.stays]
    length = plan.summary_tokens_max if summary is None else summary
    return replace(before, messages=staying, summary_tokens=length)


messages = st.lists(
    st.builds(
        InView,
        seq=st.just(0),
        role=st.sampled_from(list(ROLES_BY_LETTER.values())),
        tokens=st.integers(0, 60) | st.integers(0, 300),
    ),
    max_size=12,
).map(lambda made: [replace(message, seq=seq) for seq, message in enumerate(made, 1)])
windows = st.builds(
    ContextWindow,
    limit_tokens=st.integers(1, 200),
    fixed_tokens=st.integers(0, 60) | st.integers(0, 250),
    summary_tokens=st.integers(0, 40) | st.integers(0, 250),
    messages=messages,
)


@pytest.mark.parametrize(
    ("before", "stays"),
    [
        # up to 90 of 100 nothing leaves
        (window(), None),
        (window("u40 a50"), None),
        (window("u20 a20", fixed=30, summary=20), None),
        # past it, turns leave until 70 are left; 20 of them are the summary's
        (window("u10 a20 u10 a20 u10 a21"), [5, 6]),
        (window("u10 a20 u10 a20 u10 a20 u1"), [5, 6, 7]),
        (window("u10 a20 u10 a20 u10 a20 u1 a9"), [5, 6, 7, 8]),
        (window("u10 a20 u10 a20 u10 a20 u1", fixed=20), [7]),
        (window("u10 a20 u10 a20 u10 a10 u1", summary=20), [5, 6, 7]),
        (window("u1 a60 u1 a1 u20 a8"), [3, 4, 5, 6]),
        # a turn that fits under the trigger is not cut, though it passes the goal
        (window("u30 u40 a30"), [2, 3]),
        (window("u30 u10 a10 t20 a10 t20"), [2, 3, 4, 5, 6]),
        # one that does not is cut inside, and what a tool answered stays with the call
        (window("u30 u10 a10 t30 a20 t21"), [5, 6]),
        (window("u30 u10 a10 t10 a10 t25 a15"), [5, 6, 7]),
        (window("a10 t10 a10 t10 a10 t10 a10 t10 a10 t10"), [7, 8, 9, 10]),
        (window("u50 a10 t45"), [2, 3]),  # past the goal, yet the tool's answer needs its call
        (window("u50 a40 t45"), [3]),  # unless both do not fit
        # what comes before the first message of the user is a turn
        (window("a10 a20 s10 u30 a21"), [4, 5]),
        # the newest message stays
        (window("u10 a10 u75"), [3]),
        (window("u10 a10 u175"), [3]),
        (window("u175"), None),
        (window("t95"), None),
    ],
    ids=str,
)
def test_the_oldest_turns_leave_until_the_rest_fits(
    before: ContextWindow, stays: list[int] | None
) -> None:
    plan = plan_eviction(before)

    assert not isinstance(plan, FixedTooLarge)
    assert (list(plan.stays) if plan else None) == stays


def test_a_plan_tells_who_leaves_and_the_numbers() -> None:
    assert plan_eviction(window("u10 a20 u10 a20 u10 a21", fixed=5)) == snapshot(
        EvictionPlan(
            evicted=(1, 2, 3, 4),
            stays=(5, 6),
            summary_tokens_max=20,
            cuts_turn=False,
            before_tokens=96,
            after_tokens_max=56,
        )
    )


def test_a_plan_says_when_it_cuts_a_turn() -> None:
    whole = plan_eviction(window("u50 u10 a35"))
    inside = plan_eviction(window("u50 a35 a10"))

    assert isinstance(whole, EvictionPlan)
    assert isinstance(inside, EvictionPlan)
    assert (whole.cuts_turn, inside.cuts_turn) == (False, True)


def test_when_the_fixed_part_alone_fills_the_limit_it_is_said_and_nothing_leaves() -> None:
    told = plan_eviction(window("u10 a10", limit=8_000, fixed=9_120))

    assert isinstance(told, FixedTooLarge)
    assert told.because == snapshot(
        "Core memory and metadata take 9,120 of the context limit of 8,000 tokens, so no message "
        "can be shown. Shorten or detach a block, or raise the agent's context limit."
    )
    assert isinstance(plan_eviction(window(fixed=100)), FixedTooLarge)


def test_where_the_fixed_part_is_large_some_messages_stay_all_the_same() -> None:
    before = window(" ".join(["u1 a1"] * 30), limit=100, fixed=60)

    plan = plan_eviction(before)

    assert isinstance(plan, EvictionPlan)
    assert 4 <= len(plan.stays) <= 10
    assert plan.summary_tokens_max == 7


def test_after_the_limit_was_lowered_a_long_summary_is_written_anew() -> None:
    lowered = window("u5 a5", limit=100, summary=85)

    plan = plan_eviction(lowered)

    assert isinstance(plan, EvictionPlan)
    assert (plan.evicted, plan.stays, plan.summary_tokens_max) == ((), (1, 2), 20)
    assert plan_eviction(after(lowered, plan)) is None


def test_after_the_limit_was_lowered_messages_leave_by_the_new_one() -> None:
    before = window("u10 a20 u10 a20 u10 a10", limit=1_000, summary=150)
    assert plan_eviction(before) is None

    plan = plan_eviction(replace(before, limit_tokens=100))

    assert isinstance(plan, EvictionPlan)
    assert plan.stays == (3, 4, 5, 6)
    assert plan.after_tokens_max == 70


@given(before=windows)
def test_a_prefix_leaves_the_rest_stays_and_the_newest_is_among_it(before: ContextWindow) -> None:
    plan = plan_eviction(before)

    if isinstance(plan, EvictionPlan):
        assert [*plan.evicted, *plan.stays] == [message.seq for message in before.messages]
        assert plan.stays or not before.messages
        assert plan.before_tokens == before.total_tokens
        assert plan.after_tokens_max == after(before, plan).total_tokens


@given(before=windows)
def test_something_leaves_only_past_the_trigger_and_only_if_that_makes_it_less(
    before: ContextWindow,
) -> None:
    plan = plan_eviction(before)

    if before.total_tokens <= before.limit_tokens * 9 // 10:
        assert plan is None or before.fixed_tokens >= before.limit_tokens
    if isinstance(plan, EvictionPlan):
        assert plan.evicted or plan.summary_tokens_max < before.summary_tokens


@given(before=windows)
def test_afterwards_the_whole_keeps_to_the_limit_unless_the_newest_message_alone_is_too_large(
    before: ContextWindow,
) -> None:
    plan = plan_eviction(before)

    if isinstance(plan, EvictionPlan) and plan.after_tokens_max > before.limit_tokens:
        newest = before.messages[-1]
        assert plan.stays == (newest.seq,)
        room = before.limit_tokens - before.fixed_tokens - plan.summary_tokens_max
        assert newest.tokens > room


@given(before=windows)
def test_afterwards_the_goal_is_met_unless_that_would_cut_a_turn_or_take_the_newest_message(
    before: ContextWindow,
) -> None:
    plan = plan_eviction(before)

    if isinstance(plan, EvictionPlan) and before.fixed_tokens * 2 <= before.limit_tokens:
        stays = [message for message in before.messages if message.seq in plan.stays]
        starts = [message.role == "user" for message in stays[1:]]
        one_turn = not any(starts)
        assert plan.after_tokens_max <= before.limit_tokens * 7 // 10 or one_turn


@given(before=windows, length=st.integers(0, 100))
def test_right_after_an_eviction_there_is_nothing_to_evict(
    before: ContextWindow, length: int
) -> None:
    plan = plan_eviction(before)

    if isinstance(plan, EvictionPlan):
        length = min(length, plan.summary_tokens_max)
        assert plan_eviction(after(before, plan)) is None
        assert plan_eviction(after(before, plan, summary=length)) is None


@given(
    coming=messages.filter(bool).map(lambda made: made * 3),
    limits=st.lists(st.integers(20, 200), min_size=1),
    fixed=st.integers(0, 30),
    delay=st.integers(0, 3),
)
def test_each_message_leaves_once_and_in_order_while_more_keep_coming(
    coming: list[InView], limits: list[int], fixed: int, delay: int
) -> None:
    now = ContextWindow(limit_tokens=200, fixed_tokens=fixed, summary_tokens=0, messages=[])
    left: list[int] = []
    waiting: tuple[int, EvictionPlan] | None = None
    for seq, message in enumerate(coming, 1):
        now = replace(
            now,
            limit_tokens=limits[seq % len(limits)],
            messages=[*now.messages, replace(message, seq=seq)],
        )
        if waiting is None and isinstance(plan := plan_eviction(now), EvictionPlan):
            waiting = seq + delay, plan
        if waiting and waiting[0] <= seq:  # the summary is written, and others came meanwhile
            left += waiting[1].evicted
            now = replace(
                now,
                summary_tokens=waiting[1].summary_tokens_max,
                messages=[told for told in now.messages if told.seq not in waiting[1].evicted],
            )
            waiting = None
        assert [*left, *(told.seq for told in now.messages)] == list(range(1, seq + 1))


# --- What may be shown ---


@pytest.mark.parametrize(
    ("now", "shown"),
    [
        (window("u10 a20 u10", fixed=20, summary=40), ([1, 2, 3], None, 40, 0)),  # all of it
        (window("u10 a20 u10", fixed=30, summary=20), ([1, 2, 3], None, 20, 0)),
        (window("u10 a20 u30", fixed=30, summary=20), ([2, 3], None, 20, 0)),
        # what a tool answered is not shown without its call, unless there is nothing else
        (window("u30 a30 t20 u10", fixed=30, summary=20), ([4], None, 20, 0)),
        (window("u30 a40 t20 t10", fixed=30, summary=20), ([3, 4], None, 20, 0)),
        (window("u10 a90", fixed=30, summary=10), ([2], 60, 10, 0)),  # the newest one cut
        (window("u10", fixed=30, summary=70), ([1], None, 20, 0)),  # the summary cut
        (window("u10", fixed=130, summary=10), ([], None, 0, 30)),
        (window("", fixed=130), ([], None, 0, 30)),
        (window("", summary=130), ([], None, 20, 0)),
        (window("u10", fixed=100), ([], None, 0, 0)),
    ],
    ids=str,
)
def test_as_much_is_shown_of_the_latest_as_there_is_room_for(
    now: ContextWindow, shown: tuple[list[int], int | None, int, int]
) -> None:
    seqs, newest, summary, over = shown

    assert fit(now) == View(
        shown=tuple(seqs),
        newest_tokens_max=newest,
        summary_tokens_max=summary,
        over_tokens=over,
    )


@given(now=windows)
def test_what_is_shown_never_passes_the_limit(now: ContextWindow) -> None:
    view = fit(now)

    tokens = {message.seq: message.tokens for message in now.messages}
    if view.newest_tokens_max is not None:
        assert view.shown == (now.messages[-1].seq,)
        assert 0 < view.newest_tokens_max < now.messages[-1].tokens
        tokens[view.shown[-1]] = view.newest_tokens_max
    messages = sum(tokens[seq] for seq in view.shown)
    whole = now.fixed_tokens + min(now.summary_tokens, view.summary_tokens_max) + messages
    assert whole - view.over_tokens <= now.limit_tokens
    assert view.over_tokens == max(0, now.fixed_tokens - now.limit_tokens)


@given(now=windows)
def test_the_latest_messages_are_shown_without_a_gap(now: ContextWindow) -> None:
    view = fit(now)

    assert [message.seq for message in now.messages][len(now.messages) - len(view.shown) :] == list(
        view.shown
    )
    if now.total_tokens <= now.limit_tokens:
        assert len(view.shown) == len(now.messages)
    if now.messages and now.fixed_tokens < now.limit_tokens:
        assert view.shown


@given(before=windows)
def test_all_that_an_eviction_leaves_is_shown(before: ContextWindow) -> None:
    plan = plan_eviction(before)

    if isinstance(plan, EvictionPlan):
        view = fit(after(before, plan))
        assert view.shown == plan.stays
        assert view.summary_tokens_max == plan.summary_tokens_max
