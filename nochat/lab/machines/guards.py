"""The guard that destroys machines when the process that created them has ended."""

from pathlib import Path

from nochat.lab.folders import own_folder
from nochat.lab.machines.vagrant import MARK, VagrantFolder
from nochat.lab.shell import script
from nochat.local.processes import ChildProcess, when_gone

GONE = Path(__file__).with_name("guard.sh")
DESTROY_SECONDS = 120

_guards: "dict[Path, Guard]" = {}


class Guard:
    """A guard that destroys machines when this process has ended, however it did.

    Args:
        vagrant_folder: the folder of the Vagrantfile.
        folder: a temporary folder, removed after that; a new one if none is given.

    Attributes:
        folder: the temporary folder.
        before: the machines that existed before, which it keeps.
    """

    def __init__(self, vagrant_folder: VagrantFolder, folder: Path | None = None) -> None:
        self.folder = folder or own_folder("machines")
        self.before = vagrant_folder.made()
        self._dotfile = vagrant_folder.dotfile
        gone = script(
            GONE,
            folder=self.folder,
            mark=MARK,
            token=self.folder.name,
            root=vagrant_folder.root,
            dotfile=vagrant_folder.dotfile,
            before=" ".join(self.before),
            seconds=DESTROY_SECONDS,
        )
        self.child: ChildProcess = when_gone(gone, self.folder, env=vagrant_folder.env)

    def release(self) -> None:
        """Stop the guard: there is nothing left to destroy."""
        if self.child.alive:
            (self.folder / "destroyed").touch()
        self.child.stop()
        if _guards.get(self._dotfile) is self:
            del _guards[self._dotfile]


def guard(vagrant_folder: VagrantFolder, folder: Path | None = None) -> Guard:
    """Return this process's guard of a folder's machines; `Guard` has the arguments."""
    existing = _guards.get(vagrant_folder.dotfile)
    if existing is None or not existing.child.alive:
        existing = _guards[vagrant_folder.dotfile] = Guard(vagrant_folder, folder)
    return existing
