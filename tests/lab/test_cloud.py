"""What a cloud says where it can't be; tests/machines/test_openstack.py starts one."""

import os
import shutil

import pytest

from nochat.lab.errors import CloudError
from nochat.lab.openstack import openstack_cloud, services, starter
from nochat.local import components, doctor
from nochat.local.processes import NotReady


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A computer that could hold a cloud."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(doctor, "require", lambda name: None)
    monkeypatch.setattr(starter, "_available_memory", lambda: 20 * starter.GIB)
    return monkeypatch


def test_only_root_may(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(CloudError, match="root"):
        openstack_cloud()


def test_too_little_memory_is_told_with_how_much_is_needed(able):
    able.setattr(starter, "_available_memory", lambda: 3 * starter.GIB)
    with pytest.raises(CloudError, match=r"need 6 GiB of memory, and 3\.0 are free"):
        openstack_cloud()


def test_too_little_disk_is_told_with_where_and_how_much(able):
    usage = shutil._ntuple_diskusage(100 * starter.GIB, 99 * starter.GIB, starter.GIB)
    able.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(CloudError, match=r"6 GiB of disk, and 1\.0 are free in /var/tmp"):
        openstack_cloud()


def test_without_lxc_it_says_how_to_get_it(able):
    able.undo()
    able.setattr(os, "geteuid", lambda: 0)
    able.setattr(components.Program, "find", lambda self: None)
    with pytest.raises(doctor.Missing, match="apt-get install lxc"):
        openstack_cloud()


def test_no_two_clouds_share_an_address(able):
    taken = starter._choose_network()
    assert taken.prefixlen == 28
    able.setattr(starter, "MACHINES", str(taken.supernet()))
    able.setattr(starter, "routes", lambda: [taken])
    assert not starter._choose_network().overlaps(taken)


def test_every_blank_in_the_machines_files_is_filled():
    files = dict(starter._files(address="198.18.0.2", password="of the test"))
    assert "etc/nova/nova.conf" in files
    assert "root/setup" in files
    assert not [path for path, text in files.items() if "@address@" in text or "@password" in text]


def test_a_service_that_does_not_come_up_is_named_with_the_end_of_its_log(tmp_path):
    class Machine:
        root = tmp_path

        def run(self, *command: str) -> str:
            return "3\n"  # times that systemd started it again

    log = tmp_path / "var/log/nova/nova-compute.log"
    log.parent.mkdir(parents=True)
    log.write_text("early\n" + "late\n" * 19 + "no libvirt here\n")
    with pytest.raises(NotReady) as raised:
        services.wait(Machine(), ("nova-compute",), lambda: False)
    assert "nova-compute does not come up" in str(raised.value)
    assert str(raised.value).endswith("no libvirt here")
    assert "early" not in str(raised.value)
