"""Drawings: what is said in them, and that the site can show them."""

import io

import matplotlib.pyplot as plt
import pytest

from nochat.lab import draw
from nochat.lab.chat import Step

STEPS = [
    Step(10.000, "gateway", "published", "message.send", "c1", "x"),
    Step(10.002, "controller", "handled", "message.send", "c1", "x"),
    # In one process, a handler may note that it handled something before its sender notes it.
    Step(10.004, "gateway", "handled", "message.sent", "e1", "x"),
    Step(10.005, "controller", "published", "message.sent", "e1", "x"),
    Step(10.007, "activity", "handled", "message.sent", "e1", "x"),
]


@pytest.fixture
def figure():
    return draw.sequence(STEPS)


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_services_stand_side_by_side_from_the_browser_on(figure):
    bold = [text for text in figure.axes[0].texts if text.get_weight() == "bold"]
    assert [text.get_text() for text in bold] == ["browser", "gateway", "controller", "activity"]


def test_each_arrow_has_its_type_and_its_time(figure):
    arrows = [text for text in texts(figure) if "ms" in text]
    assert arrows == [
        "socket.io  +0.0 ms",
        "message.send  +2.0 ms",
        "message.sent  +4.0 ms",
        "socket.io  +4.0 ms",
        "message.sent  +7.0 ms",
    ]


def test_an_event_comes_from_whoever_published_it():
    ends = [(start, end) for start, end, *_ in draw._arrows(STEPS, "browser")]
    assert ends == [
        ("browser", "gateway"),
        ("gateway", "controller"),
        ("controller", "gateway"),
        ("gateway", "browser"),
        ("controller", "activity"),
    ]


def test_bars_are_in_the_order_given():
    bars = draw.bars("Words", [("hello", 3), ("chat", 1)])
    axes = bars.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["hello", "chat"]
    assert [bar.get_width() for bar in axes.patches] == [3, 1]
    assert (axes.get_title(), axes.get_xlabel()) == ("Words", "messages")


def test_a_trace_through_many_services_is_as_wide_as_a_cell():
    others = ["replica", "notifications", "bot"]
    more = [Step(10.008, name, "handled", "message.sent", "e1", "x") for name in others]
    assert draw.sequence(STEPS + more).get_figwidth() == draw.WIDEST


def test_nothing_to_count_is_a_drawing_too():
    assert draw.bars("Words", []).axes


def test_a_drawing_is_shown_once_and_can_be_saved(figure):
    assert plt.get_fignums() == []
    saved = io.StringIO()
    figure.savefig(saved, format="svg")
    assert "<svg" in saved.getvalue()
