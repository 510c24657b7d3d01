"""What GitHub runs: by commits that nobody can move, with no more rights than it needs."""

import re

import pytest
import yaml

from tests.conftest import ROOT

WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
PINNED = re.compile(r"uses: [\w/-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+$")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda it: it.stem)
def test_actions_are_pinned_to_commits(path):
    uses = [line.strip() for line in path.read_text().splitlines() if "uses:" in line]
    assert uses
    assert [line for line in uses if not PINNED.search(line)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda it: it.stem)
def test_a_workflow_may_only_read_unless_it_publishes(path):
    content = yaml.safe_load(path.read_text())
    assert content["permissions"]["contents"] == "read"
    more = {"pages": "write", "id-token": "write"} if path.stem == "site" else {}
    assert content["permissions"] == {"contents": "read"} | more


def test_every_lock_is_audited():
    text = (ROOT / ".github/workflows/audit.yml").read_text()
    for lock in ("docker/chat.lock", "requirements.lock"):
        assert f"--requirement {lock}" in text
    assert "npm audit --package-lock-only" in text
