"""Docker Hub, by a stand-in: images built here go there, and come to a machine by the playbook.

The stand-in is filled and used by one test after the other, so the order of the tests counts.
"""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from nochat.lab import containers, deploy, provision, servers, verify
from nochat.lab.servers import NotAnswering
from tests.conftest import ROOT
from tests.hub import OWNER, Hub, hub
from tests.machines.conftest import needs_root

pytestmark = [needs_root, pytest.mark.slow, pytest.mark.timeout(180)]

BASE = "python:3.13-slim"  # as the Dockerfile and whoever pulls it call it: without host or owner
COPY = "docker save nochat nochat-bot nochat/python | DOCKER_HOST={} docker load"
COMPOSE = f"""
services:
  chat: {{image: "${{CHAT_IMAGE}}"}}
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


@pytest.fixture(scope="module")
def there(chat_image, tmp_path_factory) -> Iterator[Hub]:
    """Docker Hub with a base in it, and the engine that uses it, which has the images built here."""
    deploy.build(bot=True, quiet=True)
    before = containers.client().api.base_url
    with hub(tmp_path_factory.mktemp("hub")) as made:
        yield made


def test_x(there):
    pass
