"""`make test-libvirt`: a virtual machine of the box that `make box` builds, emulated where it must.

libvirt runs here in namespaces of its own: it sees neither the system's networks nor its files, and
whatever it starts is gone with it.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nochat.local import doctor
from nochat.local.processes import start_child, wait_until

ROOT = Path(__file__).parents[2]
MACHINE = "database-host"
pytestmark = [pytest.mark.libvirt, pytest.mark.slow, pytest.mark.timeout(1500)]

LIBVIRTD = """
set -e
ip link set lo up
mount -t sysfs none /sys
for folder in etc/libvirt var/lib/libvirt var/cache/libvirt var/log/libvirt run/libvirt; do
  mkdir -p $0/$folder /$folder
  mount --bind $0/$folder /$folder
done
cat >/etc/libvirt/qemu.conf <<END
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
remember_owner = 0
stdio_handler = "file"
END
echo 'auth_unix_rw = "none"' >/etc/libvirt/libvirtd.conf
exec libvirtd --pid-file $0/pid
"""

PLAYBOOK = """
- hosts: all
  become: true
  tasks:
    - name: A page
      ansible.builtin.copy: {content: "hello\\n", dest: /srv/index.html, mode: "0644"}
    - name: A unit that serves it
      ansible.builtin.copy:
        content: |
          [Service]
          ExecStart=/usr/bin/python3 -m http.server --directory /srv 8080
          [Install]
          WantedBy=multi-user.target
        dest: /etc/systemd/system/page.service
        mode: "0644"
    - name: The unit runs
      ansible.builtin.systemd_service: {name: page, state: started, enabled: true}
"""


class Emulator:
    """A libvirt of our own, and what it takes to use it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.child = start_child(
            ["unshare", "--mount", "--net", "sh", "-c", LIBVIRTD, folder], log=folder / "log"
        )
        self.env = {
            **os.environ,
            "VAGRANT_DOTFILE_PATH": str(folder / "vagrant"),
            "NOCHAT_MACHINE_BOX": "nochat/debian",
            "NOCHAT_MACHINE_EMULATED": "1",
            "NOCHAT_MACHINE_MEMORY": "1024",
        }
        socket = folder / "run/libvirt/libvirt-sock"
        wait_until(socket.exists, 30, "libvirt", self.child)

    def run(self, *command: str | Path) -> str:
        """Run a command where libvirt is, and report how long it took."""
        there = ["nsenter", f"--target={self.child.pid}", "--mount", "--net", f"--wd={ROOT}"]
        start = time.monotonic()
        ran = subprocess.run(
            [*there, *command], env=self.env, capture_output=True, text=True, check=False
        )
        print(f"{time.monotonic() - start:6.1f} s  {' '.join(map(str, command))[:80]}")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    for program in ("libvirtd", "qemu-system-x86_64", "mmdebstrap", "qemu-img"):
        if not shutil.which(program):
            raise doctor.Missing(
                f"{program} is not here: sudo apt-get install vagrant-libvirt "
                "libvirt-daemon-system qemu-system-x86 qemu-utils mmdebstrap"
            )
    subprocess.run([ROOT / "tools" / "box", "libvirt"], check=True)
    emulator = Emulator(tmp_path_factory.mktemp("libvirt"))
    yield emulator
    emulator.child.stop()


def test_a_machine_boots_is_provisioned_and_goes(emulator: Emulator) -> None:
    emulator.run("vagrant", "up", "--provider=libvirt", "--no-provision", MACHINE)
    config = emulator.folder / "ssh-config"
    config.write_text(emulator.run("vagrant", "ssh-config", MACHINE))
    ssh = "ssh", "-F", config, MACHINE
    assert emulator.run(*ssh, "hostname; systemctl is-system-running") == f"{MACHINE}\nrunning\n"

    playbook = emulator.folder / "playbook.yml"
    playbook.write_text(PLAYBOOK)
    ansible = [ROOT / ".venv/bin/ansible-playbook", f"--inventory={MACHINE},", playbook]
    settings = emulator.folder / "ansible.cfg"
    settings.write_text(
        "[defaults]\nstdout_callback = ansible.posix.json\ngathering = explicit\n"
        "[ssh_connection]\npipelining = true\n"
        f"ssh_args = -F {config} -o ControlMaster=auto -o ControlPersist=60s\n"
    )
    emulator.env["ANSIBLE_CONFIG"] = str(settings)
    for changed in (3, 0):
        stats = json.loads(emulator.run(*ansible))["stats"][MACHINE]
        assert (stats["changed"], stats["failures"]) == (changed, 0)
    ask = 'from urllib.request import urlopen; print(urlopen("http://127.0.0.1:8080").read())'
    assert emulator.run(*ssh, f"python3 -c '{ask}'") == "b'hello\\n'\n"

    emulator.run("vagrant", "destroy", "-f", MACHINE)
    assert (
        emulator.run("virsh", "--connect=qemu:///system", "list", "--all", "--name").strip() == ""
    )
    assert emulator.run("virsh", "--connect=qemu:///system", "net-list", "--name").strip() == ""
    assert not list((emulator.folder / "vagrant").glob("machines/*/*/id"))
