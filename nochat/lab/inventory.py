"""The machines of the Vagrantfile for SSH and Ansible: groups, options and variables."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

CONTAINERS_HOST, DATABASE_HOST = "containers-host", "database-host"
GROUPS = Path(__file__).with_name("groups.json")  # the Vagrantfile reads it, too
# Ansible's names of SSH's options.
VARIABLES = {
    "hostname": "ansible_host",
    "port": "ansible_port",
    "user": "ansible_user",
    "identityfile": "ansible_ssh_private_key_file",
}
# New machines have new keys, and reuse addresses: known_hosts is not used.
SSH_OPTIONS = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes"


def groups(whole: Sequence[str]) -> dict[str, list[str]]:
    """Return the machines of each group.

    Args:
        whole: the machines for playbooks that install everything on one machine.
    """
    known: dict[str, list[str]] = json.loads(GROUPS.read_text(encoding="utf-8"))
    return known | {"servers": [*whole], "app": [*whole]}


def hosts(ssh_config: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each machine of an SSH configuration with its options, in lower case."""
    for block in re.split(r"^Host ", ssh_config, flags=re.M)[1:]:
        name, *lines = block.strip().splitlines()
        options = (line.strip().partition(" ") for line in lines)
        yield name, {option.lower(): shlex.split(value)[0] for option, _, value in options if value}


def variables(options: Mapping[str, str]) -> dict[str, str]:
    """Return Ansible's variables of a machine from its SSH options."""
    known = {ours: options[theirs] for theirs, ours in VARIABLES.items() if theirs in options}
    # The user's own SSH configuration is not used for these machines.
    ours = {"ansible_ssh_common_args": f"-F none {SSH_OPTIONS}"}
    # As the options say; whatever connects in place of Ansible's own SSH reads this alone.
    return known | ours | {"ansible_host_key_checking": "false"}
