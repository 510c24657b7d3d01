"""The secrets of the playbooks are made once, encrypted, and nobody types a password."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
VAULT = Path(sys.executable).with_name("ansible-vault")


@pytest.fixture
def environ(tmp_path) -> dict[str, str]:
    """A user with a home of their own."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("NOCHAT_")}
    places = {
        "XDG_CONFIG_HOME": tmp_path / "config",
        "NOCHAT_SECRETS": tmp_path / "deep/secrets.yml",
    }
    return ours | {name: str(path) for name, path in places.items()}


def starting(script, environ) -> subprocess.Popen:
    command = [sys.executable, PLAYBOOKS / script]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environ, stdout=pipe, stderr=pipe, text=True)


def said(script, environ) -> str:
    process = starting(script, environ)
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    return out.strip()


def refusal(script, environ) -> str:
    process = starting(script, environ)
    out, errors = process.communicate(timeout=30)
    assert (process.returncode, out) == (1, "")
    return errors


def in_clear(environ) -> dict[str, str]:
    config = {"ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg")}
    command = [VAULT, "view", environ["NOCHAT_SECRETS"]]
    shown = subprocess.run(
        command, env=environ | config, capture_output=True, text=True, check=True
    )
    return yaml.safe_load(shown.stdout)


def test_the_password_is_made_once_for_the_user_alone(environ, tmp_path):
    password = said("vault-password", environ)
    assert len(password) > 30
    assert said("vault-password", environ) == password
    assert (tmp_path / "config/nochat/vault-password").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path / "config/nochat") == ["vault-password"]


def test_the_password_may_come_from_the_environment(environ, tmp_path):
    assert said("vault-password", environ | {"NOCHAT_VAULT_PASSWORD": "a word"}) == "a word"
    assert not (tmp_path / "config").exists()


def test_a_newline_at_the_end_of_the_password_is_ignored(environ, tmp_path):
    said("vault-password", environ)
    (tmp_path / "config/nochat/vault-password").write_bytes(b"\xef\xbb\xbfa word\r\n")
    assert said("vault-password", environ) == "a word"


def test_a_password_that_others_can_read_is_refused(environ, tmp_path):
    said("vault-password", environ)
    path = tmp_path / "config/nochat/vault-password"
    path.chmod(0o644)
    assert f"chmod 600 {path}" in refusal("vault-password", environ)


def test_an_empty_password_is_refused(environ, tmp_path):
    path = tmp_path / "config/nochat/vault-password"
    path.parent.mkdir(parents=True)
    path.touch(0o600)
    assert "is empty" in refusal("vault-password", environ)


def test_two_that_start_together_agree(environ):
    passwords = [starting("vault-password", environ) for _ in range(8)]
    assert len({process.communicate(timeout=30)[0] for process in passwords}) == 1


@pytest.mark.slow
def test_the_secrets_are_made_once_and_encrypted(environ, tmp_path):
    both = [starting("secrets", environ) for _ in range(2)]
    path = Path(environ["NOCHAT_SECRETS"])
    assert [process.communicate(timeout=50) for process in both] == [(f"{path}\n", "")] * 2
    assert path.read_text().startswith("$ANSIBLE_VAULT;")
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == ["secrets.yml"]
    secrets = in_clear(environ)
    assert {"rabbitmq_password", "mariadb_password"} <= secrets.keys()
    assert len(set(secrets.values())) == len(secrets)
    assert all(len(secret) >= 32 for secret in secrets.values())
    assert said("secrets", environ) == str(path)
    assert in_clear(environ) == secrets
