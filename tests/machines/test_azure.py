"""A machine of the provider azure whose kernel is killed; what else it does is in test_final.py."""

import pytest

from nochat.local.processes import until

from .both import line_with, noted, process
from .conftest import containers, needs_root

pytestmark = [
    pytest.mark.machines,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    needs_root,
]


STUDENT = """
    import os, time
    from nochat.lab import machines
    from nochat.lab.azure.stand_in.starter import azure_stand_in

    azure = azure_stand_in(machines=True)
    os.environ.update(azure.environment)
    farm = machines.up("database-host", provider="azure", provision=False)
    print("reached", farm.ssh("database-host", "hostname"), flush=True)
    time.sleep(600)
"""


def test_a_killed_kernel_leaves_nothing(before, tmp_path) -> None:
    here, notes = containers(), tmp_path / "made"
    with process(STUDENT, VAGRANT_DOTFILE_PATH=str(notes), TMPDIR=str(tmp_path)) as student:
        assert line_with("reached", student).split() == ["reached", "database-host"]
        assert containers() > here
    assert until(lambda: containers() == here, 120)
    assert until(lambda: not list(notes.glob("machines/*/azure/id")), 120)
    assert until(lambda: not list(tmp_path.glob("nochat-*")), 60)
    assert noted() != notes
