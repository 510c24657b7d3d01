"""What machines and images start from where nothing is downloaded."""

import pytest

from nochat.lab import bases
from nochat.lab.errors import ContainersError


@pytest.fixture
def box(tmp_path, monkeypatch):
    """A stand-in for tools/box: write what it does; what it was called with is in `called`."""
    monkeypatch.setattr(bases, "find_root", lambda: tmp_path)
    monkeypatch.setenv("NOCHAT_OFFLINE", "1")
    monkeypatch.setenv("BASE_IMAGE", "nochat/python")
    (tmp_path / "tools").mkdir()
    program, called = tmp_path / "tools" / "box", tmp_path / "called"
    program.write_text(f'#!/bin/sh\necho "$@" >{called}\n. {tmp_path}/does\n')
    program.chmod(0o755)

    def does(lines):
        (tmp_path / "does").write_text(lines)
        return called

    return does


def test_offline_the_base_is_made_and_its_steps_are_shown(box, capsys):
    called = box('echo "box: building a Debian system" >&2')
    bases.prepare("python")
    assert called.read_text() == "python\n"
    assert "building a Debian system" in capsys.readouterr().out


def test_what_could_not_be_made_says_why(box):
    box('echo "box: mmdebstrap is not on this machine" >&2; exit 1')
    with pytest.raises(ContainersError, match=r"box python. failed(.|\n)*mmdebstrap is not"):
        bases.prepare("python", quiet=True)


@pytest.mark.parametrize(
    ("kind", "variable", "value"),
    [
        ("python", "NOCHAT_OFFLINE", ""),
        ("python", "BASE_IMAGE", "registry.example.net/python"),
        ("azure", "BASE_IMAGE", "nochat/python"),
    ],
)
def test_what_is_fetched_or_somebody_elses_is_not_made(box, monkeypatch, kind, variable, value):
    called = box("")
    monkeypatch.setenv(variable, value)
    bases.prepare(kind, quiet=True)
    assert not called.exists()
