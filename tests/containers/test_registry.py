"""A registry of our own: who may use it, who trusts it, and that nothing of it stays.

It is shared, and trusted once a test asks for that, so the order of the tests counts.
"""

import dataclasses
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from nochat.lab import servers
from nochat.lab.servers import NotAnswering, Registry, Server
from nochat.lab.servers.docker_engine import settings_folder
from nochat.local.processes import free_port, listens, until
from tests.images import small_image

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def docker(config: Path, *arguments: str) -> str:
    """What the docker command says, and its errors with it."""
    command = ["docker", "--config", config, *arguments]
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if ran.returncode:
        raise RuntimeError(ran.stdout)
    return ran.stdout.strip()


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("NOCHAT_REGISTRY_URL", raising=False)
        with servers.registry() as server:
            yield server


@pytest.fixture
def trusting(registry, docker_engine) -> Server:
    """An engine that knows whom to trust."""
    registry.trust(docker_engine)
    return docker_engine


@pytest.fixture
def image(registry, docker_engine, tmp_path) -> Iterator[str]:
    name = small_image(f"{registry.address}/course/small:1", "/bin/dash", "/bin/echo")
    yield name
    subprocess.run(["docker", "rmi", "--force", name], capture_output=True, check=True)


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def with_password(registry: Registry, password: str) -> Registry:
    return dataclasses.replace(registry, url=registry.url.replace(registry.password, password))


def test_it_says_what_it_is_and_keeps_its_password(registry):
    for shown in (repr(registry), registry._repr_html_(), registry.shown_url):
        assert registry.address in shown
        assert registry.password not in shown
    assert (registry.user, registry.version[0]) == ("nochat", "2")
    arguments = Path(f"/proc/{registry.child.pid}/cmdline").read_text()
    assert registry.password not in arguments


def test_an_engine_without_the_authority_is_told_so(registry, docker_engine, image, tmp_path):
    with pytest.raises(NotAnswering, match=r"does not trust(?s:.*)x509"):
        registry.login(tmp_path)
    with pytest.raises(RuntimeError, match="x509"):
        docker(tmp_path, "push", image)


def test_an_image_is_pushed_and_comes_back(registry, trusting, image, tmp_path):
    registry.login(tmp_path)
    assert (tmp_path / "config.json").stat().st_mode & 0o077 == 0
    docker(tmp_path, "push", image)
    ours = docker(tmp_path, "image", "inspect", "--format", "{{.Id}}", image)
    docker(tmp_path, "rmi", image)
    with pytest.raises(RuntimeError, match="No such image"):
        docker(tmp_path, "image", "inspect", image)
    docker(tmp_path, "pull", image)
    assert docker(tmp_path, "image", "inspect", "--format", "{{.Id}}", image) == ours
    run = ("run", "--rm", "--network=none", image)
    assert docker(tmp_path, *run, "/bin/dash", "-c", "echo back") == "back"


def test_pulls_without_a_log_in_are_refused(registry, trusting, image, tmp_path):
    for command in ("push", "pull"):
        with pytest.raises(RuntimeError, match="no basic auth credentials"):
            docker(tmp_path, command, image)


def test_a_wrong_password_is_refused_and_not_kept(registry, trusting, tmp_path):
    with pytest.raises(NotAnswering, match="refuses the user or password") as refused:
        with_password(registry, "of-somebody-else").login(tmp_path)
    assert "of-somebody-else" not in str(refused.value)
    assert not (tmp_path / "config.json").exists()


def test_the_environment_names_another(registry, trusting, tmp_path, monkeypatch):
    monkeypatch.setenv("NOCHAT_REGISTRY_URL", registry.url)
    with servers.registry() as same:
        assert (same.address, same.password) == (registry.address, registry.password)
        assert same.origin == "named by NOCHAT_REGISTRY_URL"
        assert registry.password not in repr(same)
        same.trust(trusting)  # nothing to do: it does already
        same.login(tmp_path)
    assert listens(port_of(registry.address))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://me:secret@127.0.0.1:5000", "expected https://"),
        ("https://me:secret@{address}", "refuses the user or password"),
        ("https://me:secret@127.0.0.1:{closed}", "can't be used .*refused"),
    ],
)
def test_one_that_can_not_be_used_says_why(registry, trusting, monkeypatch, url, message):
    url = url.format(address=registry.address, closed=free_port())
    monkeypatch.setenv("NOCHAT_REGISTRY_URL", url)
    with pytest.raises(NotAnswering, match=message) as refused:
        servers.registry()
    assert "NOCHAT_REGISTRY_URL" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_without_rights_it_says_the_command(registry, docker_engine, monkeypatch, tmp_path):
    folder = tmp_path / "docker"
    monkeypatch.setattr("nochat.lab.servers.image_registry.settings_folder", lambda _: folder)

    def refuse(*_, **__):
        raise PermissionError

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(NotAnswering, match="only root") as refused:
        registry.trust(docker_engine)
    said = str(refused.value).partition("\n")[2]
    assert said == registry.trust_command
    # What it says works, but for where it goes, and for sudo.
    command = said.removeprefix("sudo ").replace("/etc/docker", str(folder))
    subprocess.run(["/bin/sh", "-c", command], check=True)
    made = folder / "certs.d" / registry.address / "ca.crt"
    assert made.read_text().strip() == registry.authority.read_text().strip()


def test_an_engine_elsewhere_is_not_told_here(registry, docker_engine):
    far = dataclasses.replace(docker_engine, url="tcp://192.0.2.9:2376")
    with pytest.raises(NotAnswering, match=r"another computer(?s:.*)sudo install"):
        registry.trust(far)


STUDENT = """
    import os
    from nochat.lab import servers

    engine = servers.docker(quiet=True)
    registry = servers.registry(quiet=True)
    registry.trust(engine)
    print(registry.address, registry.child.log.parent, flush=True)
    os.kill(os.getpid(), 9)
"""


def test_after_kill_9_nothing_is_left(docker_engine):
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(STUDENT)], capture_output=True, text=True
    )
    address, folder = ran.stdout.split()
    told = settings_folder(docker_engine.url) / "certs.d" / address
    assert until(lambda: not Path(folder).exists(), 20)
    assert not told.exists()
    assert not listens(port_of(address))
