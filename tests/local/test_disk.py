"""Who may read what the chat stores."""

import os

import pytest

from nochat.bus.journal import Journal
from nochat.local.disk import make_private
from nochat.stores.archive import Folder


def modes(folder):
    return {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))}


@pytest.fixture
def old(tmp_path):
    """A folder as an older version, or somebody who copied it here, may have left it."""
    folder = tmp_path / "data"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "file").write_text("what was said")
    (folder / "script").write_text("")
    (tmp_path / "elsewhere").write_text("not ours")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    for path, mode in {"inner/file": 0o644, "script": 0o755, "inner": 0o777, "": 0o755}.items():
        (folder / path).chmod(mode)
    (tmp_path / "elsewhere").chmod(0o644)
    return folder


def test_others_may_do_nothing_and_the_owner_what_was_possible_before(old):
    make_private([old, old / "not there"])
    after = modes(old)
    assert after.pop("link") == 0o644  # what a link leads to is not ours
    assert after == {"data": 0o700, "inner": 0o700, "file": 0o600, "script": 0o700}


@pytest.mark.parametrize(
    "use",
    [lambda folder: Journal(folder).open(), lambda folder: Folder(folder).append("new", b"x")],
    ids=["journal", "copy"],
)
def test_existing_files_are_made_private_at_the_next_use(old, use):
    before = os.umask(0)
    try:
        use(old)
    finally:
        os.umask(before)
    assert [mode for name, mode in modes(old).items() if mode & 0o077 and name != "link"] == []
