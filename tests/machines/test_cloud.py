"""The providers of our own, as Vagrant runs them; a program that keeps notes plays the cloud."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nochat.local import doctor

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

# Answers as the real program does, notes what it was told, and fails once where it is to.
PROGRAM = """
import json, pathlib, sys
folder = pathlib.Path(__file__).parent
told = json.load(sys.stdin)
with (folder / "told").open("a") as notes:
    notes.write(json.dumps(told) + "\\n")
server = folder / told["token"]
if told["action"] == "create":
    print(json.dumps({"progress": "Server is being built."}), flush=True)
    if (folder / "broken").exists():
        print(json.dumps({"error": "This OpenStack has no flavor m1.small; it has: tiny."}))
        raise SystemExit
    server.touch()
if told["action"] == "destroy":
    server.unlink(missing_ok=True)
state = {"state": "active", "host": "192.0.2.7"} if server.exists() else {"state": "not_created"}
print(json.dumps(state))
"""
# In place of SSH: there is no machine that it could reach. It is ready once Vagrant's other thread
# watches the state, without which Vagrant stumbles.
HOME = """
class Nobody < Vagrant.plugin("2", :communicator)
  def initialize(_machine); end

  def wait_for_ready(_seconds)
    Thread.pass until Thread.list.any? { |thread| thread[:result] }
    true
  end
end

Class.new(Vagrant.plugin("2")) do
  name "nobody"
  communicator(:nobody) { Nobody }
end

Vagrant.configure("2") { |config| config.vm.communicator = :nobody }
"""
PASSWORD = "a password in a cloud"


# In place of the public plugins, which can't be had here: it has providers of the same names. That
# for OpenStack fails where no network is set; this one as soon as its settings are asked for.
PUBLIC = """
Class.new(Vagrant.plugin("2")) do
  name "a stand-in for public plugins"
  %i[lxc openstack azure].each do |it|
    config(it, :provider) { raise "the settings of the stand-in for #{it} are asked for" }
    provider(it, box_optional: true) { raise "the stand-in for #{it} is asked for" }
  end
end
"""
GEM = """
Gem::Specification.new("vagrant-openstack-provider", "0.13.0") do |it|
  it.summary, it.authors, it.license = "A stand-in", ["NoChat"], "Nonstandard"
  it.homepage = "https://github.com"
  it.files = ["lib/vagrant-openstack-provider.rb"]
end
"""


class Course:
    """A folder with the Vagrantfile and a stand-in for the program that speaks to OpenStack."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.program = folder, folder / "vagrant" / "cloud_openstack.py"
        shutil.copy(ROOT / "Vagrantfile", folder)
        shutil.copytree(ROOT / "vagrant", folder / "vagrant")
        (folder / "nochat" / "lab" / "azure").mkdir(parents=True)
        for name in ("groups.json", "azure/defaults.json"):
            shutil.copy(ROOT / "nochat" / "lab" / name, folder / "nochat" / "lab" / name)
        self.program.write_text(PROGRAM)
        (folder / "home").mkdir()
        (folder / "home" / "Vagrantfile").write_text(HOME)
        self.variables = {
            "OS_AUTH_URL": "http://cloud.example:5000/v3",
            "OS_USERNAME": "lia",
            "OS_PASSWORD": PASSWORD,
            "OS_PROJECT_NAME": "course",
        }

    def vagrant(self, *arguments: str) -> tuple[int, str]:
        ours = {name for name in os.environ if name.startswith(("VAGRANT_", "OS_", "NOCHAT_"))}
        inherited = {name: os.environ[name] for name in os.environ.keys() - ours}
        ran = subprocess.run(
            [doctor.require("vagrant"), *arguments],
            cwd=self.folder,
            env={**inherited, "VAGRANT_HOME": str(self.folder / "home"), **self.variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert PASSWORD not in ran.stdout
        return ran.returncode, ran.stdout

    def install_public_plugins(self) -> None:
        source = self.folder / "gem"
        (source / "lib").mkdir(parents=True)
        (source / "lib" / "vagrant-openstack-provider.rb").write_text(PUBLIC)
        (source / "gemspec").write_text(GEM)
        build = ["gem", "build", "--quiet", "--output", "made.gem", "gemspec"]
        subprocess.run(build, cwd=source, check=True, capture_output=True)
        offline = ["plugin", "install", "--plugin-clean-sources"]
        status, output = self.vagrant(*offline, str(source / "made.gem"))
        assert status == 0, output

    @property
    def told(self) -> list[dict[str, Any]]:
        notes = self.folder / "vagrant" / "told"
        return [json.loads(line) for line in notes.read_text().splitlines()]

    def file(self, name: str) -> Path:
        return self.folder / ".vagrant/machines/database-host/openstack" / name


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return Course(tmp_path)


def test_a_server_comes_up_and_goes_by_our_provider_whatever_is_installed(course: Course) -> None:
    course.install_public_plugins()
    course.variables["VAGRANT_DEFAULT_PROVIDER"] = "azure"  # is asked nothing of what is not there
    status, output = course.vagrant("status")
    assert status == 0, output
    assert re.search(r"^containers-host +not created \(azure\)$", output, re.M)

    up = "up", "--provider=openstack", "--no-provision", "database-host"
    status, output = course.vagrant(*up)
    assert status == 0, output
    assert "Server is being built." in output
    create = course.told[0]
    assert create["action"] == "create"
    assert create["token"].startswith("nochat-database-host-")
    assert create["settings"] == {
        "openstack_auth_url": "http://cloud.example:5000/v3",
        "username": "lia",
        "password": PASSWORD,
        "tenant_name": "course",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "server_name": "database-host",
        "flavor": "m1.small",
        "image": "debian-13",
        "security_groups": ["default"],
    }
    assert create["public_key"].startswith("ssh-ed25519 ")
    assert course.file("private_key").stat().st_mode & 0o777 == 0o600

    status, output = course.vagrant("ssh-config", "database-host")
    assert status == 0, output
    for line in ("HostName 192.0.2.7", "User debian", f"IdentityFile {course.file('private_key')}"):
        assert line in output

    before = len(course.told)
    status, output = course.vagrant(*up)
    assert status == 0, output
    # It is there: no other.
    assert {entry["action"] for entry in course.told[before:]} == {"state"}

    status, output = course.vagrant("destroy", "-f", "database-host")
    assert status == 0, output
    assert course.told[-1]["action"] == "destroy"
    assert course.told[-1]["token"] == create["token"]
    assert not course.file("id").exists()
    assert not course.file("private_key").exists()


def test_a_creation_that_the_cloud_refused_can_be_retried(course: Course) -> None:
    broken = course.program.with_name("broken")
    broken.touch()
    up = "up", "--provider=openstack", "--no-provision", "database-host"
    status, output = course.vagrant(*up)
    assert status != 0
    assert "This OpenStack has no flavor m1.small; it has: tiny." in output
    assert "report this as a bug" not in output
    broken.unlink()
    status, output = course.vagrant(*up)
    assert status == 0, output
    assert course.told[0]["token"] == course.told[-1]["token"]  # What it left is found again.


def test_a_setting_that_is_missing_is_named(course: Course) -> None:
    del course.variables["OS_USERNAME"]
    status, output = course.vagrant("up", "--provider=openstack", "database-host")
    assert status != 0
    assert "username is not set: set OS_USERNAME." in output


@pytest.mark.parametrize(
    ("arguments", "variables", "advice"),
    [
        (["--provider=nope"], {}, "There is no provider nope; there are docker, lxc, libvirt"),
        (["--provider", "lxc"], {"PATH": "/nowhere"}, "sudo apt-get install lxc"),
        (["--provider", "libvirt"], {"VAGRANT_NO_PLUGINS": "1"}, "apt-get install vagrant-libvirt"),
        ([], {"DOCKER_HOST": "unix:///nowhere"}, "sudo systemctl start docker"),
        ([], {"NOCHAT_MACHINE_PORTS": "ssh"}, "a number between 1024 and 65436"),
        ([], {"NOCHAT_MACHINE_PORTS": "80"}, "a number between 1024 and 65436"),
    ],
)
def test_errors_say_what_to_do(
    course: Course, arguments: list[str], variables: dict[str, str], advice: str
) -> None:
    course.variables.update(variables)
    status, output = course.vagrant("up", *arguments)
    assert status != 0
    assert advice in output
