"""What roles say of themselves: their arguments, which Ansible checks, and a line to read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
ROLES = sorted((PLAYBOOKS / "roles").iterdir())
HOSTS = """\
[containers]
containers-host
containers-host-2
[database]
database-host
[servers]
containers-host
[app]
containers-host
[all:vars]
ansible_connection=local
ansible_become=false
ansible_python_interpreter={python}
machine_addresses={{"containers-host": "198.18.0.1", "containers-host-2": "198.18.0.2", \
"database-host": "198.18.0.3"}}
"""


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_each_default_of_a_role_is_a_described_argument(role):
    defaults = role / "defaults" / "main.yml"
    known = yaml.safe_load(defaults.read_text()) if defaults.exists() else {}
    spec = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())
    main = spec["argument_specs"]["main"]
    required = {name for name, option in main["options"].items() if option.get("required")}
    assert main["options"].keys() - required == known.keys()
    assert all(option["description"] for option in main["options"].values())


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_each_role_has_a_line_to_read(role):
    spec = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())
    short = spec["argument_specs"]["main"]["short_description"]
    assert (role / "README.md").read_text() == f"{short}.\n"


def validated(playbook, tmp_path, *more) -> str:
    """What a playbook says of its roles' arguments; no task but those that look at them runs."""
    (tmp_path / "hosts").write_text(HOSTS.format(python=sys.executable))
    program = Path(sys.executable).with_name("ansible-playbook")
    limited = ["--limit", "!containers-host-2"] if playbook != "grow.yml" else []
    ran = subprocess.run(
        [
            *(program, "-i", tmp_path / "hosts", playbook, "--tags", "none", *limited, *more),
            *("-e", '{"docker_client": []}'),  # which rests on facts that nothing gathers here
        ],
        cwd=PLAYBOOKS,
        env=os.environ
        | {
            "NOCHAT_SECRETS": str(tmp_path / "secrets.yml"),
            "NOCHAT_VAULT_PASSWORD": "of the test",  # pragma: allowlist secret
            "PATH": f"{program.parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout + ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize("playbook", ["servers.yml", "app.yml", "containers.yml", "deploy.yml"])
def test_the_playbooks_give_roles_what_they_take(playbook, tmp_path):
    said = validated(playbook, tmp_path)
    assert "Validating arguments against arg spec 'main'" in said
    assert "failed=0" in said
    assert "fatal" not in said, said


@pytest.mark.slow
def test_an_argument_of_another_kind_stops_a_playbook_and_is_named(tmp_path):
    said = validated("app.yml", tmp_path, "-e", "nochat_log_level=loud")
    assert "nochat_log_level must be one of: debug, info, warning, error, got: loud" in said
