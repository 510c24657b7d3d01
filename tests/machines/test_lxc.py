"""Both machines in LXC for real: used, interrupted, destroyed.

Notebook 04 makes them, and provisions one with Ansible and the other with Rex; it waits meanwhile.
They are shared, so the order of the tests counts.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nochat.lab import machines, servers
from nochat.lab.machines import Farm
from nochat.local.processes import until
from tests.cgroups import mount_controllers
from tests.conftest import ROOT, box
from tests.notebooks.running import ENGINE_SECONDS, Paused, judge, left

from .both import (
    NAMES,
    intrude,
    keys,
    known_hosts,
    line_with,
    noted,
    play,
    process,
)
from .conftest import needs_root, notebook

pytestmark = [
    pytest.mark.machines,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    needs_root,
]


@pytest.fixture(scope="module")
def provisioning(place, tmp_path_factory) -> Iterator[Paused]:
    box("lxc")
    mount_controllers()
    out = tmp_path_factory.mktemp("executed")
    with (
        servers.lxc_bridge(),
        notebook(
            "04_provisioning",
            "Exercise 04c, the challenge: three faults that nobody wrote down",
            out,
            provider="lxc",
        ) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def lxc_farm(provisioning) -> Farm:
    return machines.up(provider="lxc", provision=False)


def test_an_intruder_finds_closed_ports_and_is_refused(lxc_farm):
    intrude(lxc_farm)


def test_rex_brings_node_js_and_all_that_the_bot_needs(lxc_farm):
    unit = "nochat@bot.service"
    lxc_farm.ssh("database-host", f"sudo systemctl start {unit}")
    said = f"sudo journalctl --unit {unit}"
    running = until(lambda: "bot: running" in lxc_farm.ssh("database-host", said), 60)
    assert running, lxc_farm.ssh("database-host", said)
    lxc_farm.ssh("database-host", f"sudo systemctl stop {unit}")


PROVISIONER = """
    import sys
    from pathlib import Path
    from nochat.lab.machines import provision

    provision.ansible("database.yml", Path(sys.argv[1]))
"""
NO_DATABASE = "sudo apt-get purge -qy mariadb-server && sudo rm -rf /var/lib/mysql"


def test_ansible_killed_in_the_middle_completes_when_it_runs_again(lxc_farm):
    lxc_farm.ssh("database-host", NO_DATABASE)
    script = PROVISIONER.replace("sys.argv[1]", repr(str(lxc_farm.inventory)))
    with process(script) as killed:
        line_with("Install mariadb-server", killed)
        # In the middle of it.
        installs = "pgrep --full 'apt-get|dpkg' || true"
        assert until(lambda: lxc_farm.ssh("database-host", installs) != "", 30)
    assert play(lxc_farm, "database.yml") != []
    asked = "sudo mariadb --skip-column-names --execute 'SHOW DATABASES'"
    assert "nochat" in lxc_farm.ssh("database-host", asked).split()
    assert play(lxc_farm, "database.yml") == []


def test_a_machine_that_was_off_is_the_same_again(lxc_farm):
    lxc_farm.ssh("database-host", "sudo touch /kept")
    subprocess.run(["vagrant", "halt", "database-host"], cwd=ROOT, check=True)
    assert lxc_farm.status() == {"containers-host": "running", "database-host": "stopped"}
    subprocess.run(["vagrant", "up", "--no-provision", "database-host"], cwd=ROOT, check=True)
    lxc_farm.ssh("database-host", "test -e /kept")  # at the address that it had


def test_the_notebook_ends_well_and_leaves_nothing_in_lxc(provisioning, lxc_farm):
    """It destroys the machines."""
    folder, before = Path("/var/lib/lxc"), known_hosts()
    ids = [(noted() / "machines" / name / "lxc" / "id").read_text() for name in NAMES]
    assert all((folder / identifier).exists() for identifier in ids)
    judge(provisioning.go_on())
    lxc_farm.destroy()  # ours ends, which has made none
    assert left(provisioning.mark, ENGINE_SECONDS) == []
    assert not any((folder / identifier).exists() for identifier in ids)
    assert not any(identifier in Path("/proc/mounts").read_text() for identifier in ids)
    assert keys(noted()) == []
    assert known_hosts() == before
