"""Both machines in LXC for real: provisioned, used, interrupted, destroyed.

They are made once and shared, so the order of the tests counts. Rex comes first, then Ansible.
"""

from pathlib import Path

import pytest

from nochat.lab import verify
from tests.waiting import wait_for

from .both import (
    ALONE,
    BOTH,
    NAMES,
    intrude,
    keys,
    known_hosts,
    line_with,
    noted,
    play,
    play_rex,
    process,
)
from .conftest import needs_root

pytestmark = [
    pytest.mark.machines,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    needs_root,
]


async def test_rex_deploys_a_chat_that_works(lxc_farm):
    assert "wheels" in play_rex(lxc_farm)
    await verify.chat(lxc_farm.url("containers-host", 8000))
    intrude(lxc_farm)


def test_rex_brings_node_js_and_all_that_the_bot_needs(lxc_farm):
    unit = "nochat@bot.service"
    lxc_farm.ssh("containers-host", f"sudo systemctl start {unit}")
    said = f"sudo journalctl --unit {unit}"
    assert wait_for(lambda: "bot: running" in lxc_farm.ssh("containers-host", said), 60)
    lxc_farm.ssh("containers-host", f"sudo systemctl stop {unit}")


def test_a_second_run_of_rex_changes_nothing(lxc_farm):
    assert play_rex(lxc_farm) == []


def test_after_rex_ansible_has_nothing_to_do(lxc_farm):
    assert [play(lxc_farm, it, limit="containers-host") for it in ALONE] == [[], []]


PROVISIONER = """
    import sys
    from pathlib import Path
    from nochat.lab import provision

    provision.ansible("database.yml", Path(sys.argv[1]))
"""


async def test_ansible_killed_in_the_middle_completes_when_it_runs_again(lxc_farm):
    script = PROVISIONER.replace("sys.argv[1]", repr(str(lxc_farm.inventory)))
    with process(script) as killed:
        line_with("Install mariadb-server", killed)
        # In the middle of it.
        installs = "pgrep --full 'apt-get|dpkg' || true"
        assert wait_for(lambda: lxc_farm.ssh("database-host", installs) != "", 30)
    assert play(lxc_farm, *BOTH) != []
    await verify.chat(lxc_farm.url("containers-host", 8000))
    assert play(lxc_farm, *BOTH) == []


def test_after_destroy_nothing_is_left_in_lxc(lxc_farm):
    folder, before = Path("/var/lib/lxc"), known_hosts()
    ids = [(noted() / "machines" / name / "lxc" / "id").read_text() for name in NAMES]
    assert all((folder / it).exists() for it in ids)
    lxc_farm.destroy()
    assert not any((folder / it).exists() for it in ids)
    assert not any(it in Path("/proc/mounts").read_text() for it in ids)
    assert keys(noted()) == []
    assert known_hosts() == before
