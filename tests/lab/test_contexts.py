"""What is refused before anything is written; tests/machines/test_docker.py makes a context."""

import os
import subprocess

import pytest

from nochat.lab import deploy
from nochat.lab.containers import contexts
from nochat.lab.errors import ContextError


@pytest.fixture
def ssh(tmp_path, monkeypatch):
    """Settings of SSH and contexts of Docker that are nobody's."""
    monkeypatch.setattr(contexts, "SSH", tmp_path / "ssh")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return tmp_path / "ssh"


@pytest.fixture
def key(tmp_path):
    deploy.key_pair(tmp_path / "key")
    return tmp_path / "key"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "default"},
        {"name": "../attic"},
        {"address": "-oProxyCommand=x"},
        {"address": "192.0.2.7\n    ProxyCommand x"},
        {"user": "lia 'x'"},
        {"user": ""},
    ],
)
def test_invalid_names_are_refused(ssh, key, wrong):
    with pytest.raises(ValueError, match="can't be"):
        contexts.create(**{"name": "attic", "address": "192.0.2.7", "key": key} | wrong)
    assert not ssh.exists()


def test_a_key_that_is_not_there_is_named_with_what_makes_one(ssh, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"deploy\.key_pair"):
        contexts.create("attic", "192.0.2.7", key=tmp_path / "none")
    assert not ssh.exists()


def test_a_context_of_another_engine_is_left_alone(ssh, key):
    make = ["docker", "context", "create", "attic", "--docker", "host=ssh://elsewhere"]
    subprocess.run(make, check=True, capture_output=True)
    with pytest.raises(ValueError, match="choose another name"):
        contexts.create("attic", "192.0.2.7", key=key)
    with pytest.raises(ValueError, match="not made here"):
        contexts.remove("attic")
    assert not ssh.exists()


def test_where_nobody_answers_nothing_is_left(ssh, key, tmp_path, monkeypatch):
    """ssh itself says why; it reads our files only from the user's own folder, so it is told."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "ssh"
    program.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {ssh}/config "$@"\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    with pytest.raises(ContextError, match=r"refused(?s:.*)is the address right"):
        contexts.create("attic", "127.0.0.1", key=key, port=9)
    assert list(ssh.iterdir()) == []
