"""What actions cost, by user and by address."""

from functools import partial

import pytest

from nochat.protocol.actions import ACTIONS
from nochat.runtime import action_limits
from nochat.runtime.action_limits import PER_ADDRESS, ActionLimits
from nochat.runtime.rate_limits import Limit
from nochat.settings import Settings


def taken(limits, name, most=2000, user="ana", address="10.0.0.1", data=None):
    """How often an action is taken until it is refused, and the refusal."""
    for count in range(most):
        if refusal := limits.refusal(ACTIONS[name], user, address, data):
            return count, refusal
    return most, None


def test_a_bucket_gives_several_tokens_or_none():
    now = 0.0
    limit = Limit(1, 10, lambda: now)
    assert [limit.wait("ana", 4), limit.wait("ana", 4)] == [0, 0]
    assert limit.wait("ana", 4) == 2
    assert limit.wait("ana", 2) == 0
    now = 60.0
    assert limit.wait("ana", 1000) == 0  # what costs more than all takes all
    assert limit.wait("ana", 1) == 1


@pytest.mark.parametrize(("action", "count"), [("message", 100), ("history", 50), ("rooms", 25)])
def test_costly_actions_are_allowed_less_often(action, count):
    assert taken(ActionLimits(Settings()), action)[0] == count


@pytest.mark.parametrize(("text", "count"), [("a" * 499, 100), ("a" * 4000, 11), (7, 100)])
@pytest.mark.parametrize("action", ["message", "edit"])
def test_a_long_text_costs_more(action, text, count):
    assert taken(ActionLimits(Settings()), action, data={"text": text})[0] == count


def test_searches_have_a_bucket_of_their_own():
    limits = ActionLimits(Settings())
    count, refusal = taken(limits, "search")
    assert count == 5
    assert (str(refusal.reason), 0 < refusal.wait <= 1) == ("too fast; wait 1 s", True)
    assert taken(limits, "message")[0] > 80


def test_the_shortest_wait_is_still_told(monkeypatch):
    now = 0.0
    monkeypatch.setattr(action_limits, "Limit", partial(Limit, now=lambda: now))
    limits = ActionLimits(Settings())
    taken(limits, "message")
    now = 0.0499
    _, refusal = taken(limits, "message")
    assert refusal.wait == 0.001
    assert refusal.answer["retry"] is True


def test_rooms_are_counted_by_the_hour_and_the_client_is_not_to_wait():
    count, refusal = taken(ActionLimits(Settings()), "create")
    assert (count, refusal.wait) == (20, 0)
    assert "in 3 min" in str(refusal.reason)


def test_a_class_behind_one_address_has_room():
    limits = ActionLimits(Settings())
    told = [taken(limits, "message", 30, f"student{n}")[1] for n in range(30)]
    assert told == [None] * 30
    limits = ActionLimits(Settings())
    made = [taken(limits, "create", 5, f"student{n}")[1] for n in range(30)]
    assert made == [None] * 30


def test_an_address_makes_no_more_by_more_accounts():
    limits = ActionLimits(Settings())
    assert sum(taken(limits, "create", user=f"sock{n}")[0] for n in range(30)) == PER_ADDRESS * 20
    assert taken(limits, "create", address="10.0.0.2", user="bob")[0] == 20


def test_no_limit_is_none():
    free = ActionLimits(Settings(user_rate=0, search_rate=0, room_rate=0, invite_rate=0))
    assert [taken(free, name)[1] for name in ACTIONS] == [None] * len(ACTIONS)
