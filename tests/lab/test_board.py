"""What somebody sees while something takes its time."""

import io
import sys

import pytest

from nochat.lab import board
from nochat.lab.board import Board


def test_in_a_log_each_change_is_a_line(capsys):
    with Board() as board:
        board.say("ship", "sails")
        board.say("ship", "sails")
        board.say("harbour", "waits")
    lines = capsys.readouterr().out.splitlines()
    assert [(line.split()[0], line.split("  ")[-1]) for line in lines] == [
        ("ship", "sails"),
        ("harbour", "waits"),
    ]


def test_a_step_stopped_by_an_error_is_marked(capsys):
    def sail() -> None:
        with Board() as board:
            board.say("ship", "sails")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sail()
    assert "stopped at: sails" in capsys.readouterr().out


class Screen(io.StringIO):
    def isatty(self):
        return True


def test_in_a_terminal_lines_are_written_over(monkeypatch):
    monkeypatch.setattr(sys, "stdout", screen := Screen())
    with Board() as board:
        board.say("ship", "sails")
        board.say("ship", "lands")
    assert screen.getvalue().count("\x1b[1F") == 1
    assert "lands" in screen.getvalue()


def test_in_a_notebook_one_output_changes(monkeypatch):
    shown = []

    class Handle:
        update = staticmethod(lambda output, raw: shown.append(output))

    def display(output, raw, display_id):
        shown.append(output)
        return Handle

    monkeypatch.setattr(board, "_is_in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", display)
    with Board() as ours:
        ours.say("ship", "sails")
        ours.say("the harbour of Bilbao", "waits")
    assert len(shown) == 2
    ship, harbour = shown[1]["text/plain"].splitlines()
    assert ship.index(" s  ") == harbour.index(" s  "), "a longer name widens the rows before it"


def test_quiet_is_quiet(capsys):
    with Board(quiet=True) as board:
        board.say("ship", "sails")
    assert capsys.readouterr().out == ""
