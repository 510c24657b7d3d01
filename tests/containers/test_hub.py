"""Docker Hub, by a stand-in: images go there, and come to a machine by the playbook.

Small images are in the place of the chat's, which test_stack.py builds and runs. The stand-in is
filled and used by one test after the other, so the order of the tests counts.
"""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from nochat.lab import deploy, servers
from nochat.lab.machines import provision
from nochat.lab.servers import NotAnswering
from tests.conftest import ROOT
from tests.hub import OWNER, Hub, hub
from tests.images import small_image
from tests.machines.conftest import needs_root

pytestmark = [needs_root, pytest.mark.slow, pytest.mark.timeout(300)]

ROLES = ROOT / "playbooks" / "roles"
BASE = "python:3.13-slim"  # as the Dockerfile and whoever pulls it call it: without host or owner
COMPOSE = f"""
services:
  web: {{image: "${{CHAT_IMAGE}}"}}
  bot: {{image: "${{BOT_IMAGE}}"}}
  base: {{image: "{BASE}"}}
"""
FETCH = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {name: stack, tasks_from: images}
"""


def docker(*arguments: str, config: Path | None = None) -> str:
    """What the docker command says, and its errors with it."""
    command = ["docker", *(["--config", str(config)] if config else []), *arguments]
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if ran.returncode:
        raise RuntimeError(ran.stdout)
    return ran.stdout.strip()


def run(image: str, text: str) -> str:
    return docker("run", "--rm", "--network=none", image, "/bin/dash", "-c", f"echo {text}")


@pytest.fixture(scope="module")
def there(tmp_path_factory) -> Iterator[Hub]:
    """Docker Hub with a base in it, and the engine that uses it, with what would be built here."""
    config = tmp_path_factory.mktemp("official")
    with hub(tmp_path_factory.mktemp("hub")) as made, pytest.MonkeyPatch.context() as patch:
        patch.delenv("COMPOSE_FILE", raising=False)  # of servers, the public images
        patch.setenv("NOCHAT_REGISTRY_URL", made.url(OWNER))
        servers.registry(quiet=True).login(config)
        docker("push", small_image(BASE, "/bin/dash"), config=config)
        docker("rmi", BASE)
        small_image("nochat", "/bin/dash", "/bin/echo")
        small_image("nochat-bot", "/bin/dash", "/bin/cat")
        patch.setenv("NOCHAT_REGISTRY_URL", made.url("lia"))
        yield made


@pytest.fixture(scope="module")
def pushed(there) -> Mapping[str, str]:
    images = deploy.push(servers.registry(quiet=True), bot=True, quiet=True)
    docker("rmi", "--force", "nochat", "nochat-bot", *images.values())
    return images


def test_the_base_is_found_by_its_name_alone_and_by_anybody(there, tmp_path):
    docker("pull", "--quiet", BASE, config=tmp_path)
    assert there.granted[-1] == ("", "library/python:pull")
    assert run(BASE, "here") == "here"
    docker("rmi", BASE)


def test_images_go_there_the_bot_s_too(there, pushed):
    assert set(pushed) == {"CHAT_IMAGE", "BOT_IMAGE"}
    assert pushed["CHAT_IMAGE"].startswith("lia/nochat@sha256:")
    assert pushed["BOT_IMAGE"].startswith("lia/nochat-bot@sha256:")
    assert ("lia", "lia/nochat-bot:pull,push") in there.granted


def test_private_images_are_for_their_owner_alone(there, pushed, tmp_path):
    with pytest.raises(RuntimeError, match="pull access denied"):
        docker("pull", pushed["CHAT_IMAGE"], config=tmp_path)


def test_a_wrong_token_is_refused(there, monkeypatch):
    monkeypatch.setenv("NOCHAT_REGISTRY_URL", "https://lia:another@docker.io")
    with pytest.raises(NotAnswering, match="refuses the user or password") as refused:
        servers.registry()
    assert "another" not in str(refused.value)


def test_they_come_to_a_machine_by_the_playbook_and_run(there, pushed, tmp_path):
    """By the tasks that do it on a machine; here it is this computer, with the engine above."""
    registry = servers.registry(quiet=True)
    place = {name: getattr(registry, name) for name in ("address", "user", "password")}
    folder = tmp_path / "stack"
    folder.mkdir()
    (folder / "compose.yaml").write_text(COMPOSE)
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in pushed.items()))
    (folder / "compose").symlink_to(ROLES / "stack" / "files" / "compose")
    (tmp_path / "roles").symlink_to(ROLES)
    (tmp_path / "fetch.yml").write_text(FETCH)
    given = {"stack_folder": str(folder), "stack_registry": place}
    assert provision.ansible(tmp_path / "fetch.yml", variables=given, quiet=True).changed
    for image in (*pushed.values(), BASE):
        assert run(image, "there") == "there"
