"""The guard that destroys machines when the process that made them is gone."""

from pathlib import Path

from nochat.lab.folders import own_folder
from nochat.lab.machines.vagrant import MARK, Place
from nochat.lab.shell import script
from nochat.local.processes import Kept, when_gone

GONE = Path(__file__).with_name("guard.sh")
DESTROY_SECONDS = 120

_guards: "dict[Path, Guard]" = {}


class Guard:
    """A guard that destroys machines when this process is gone, however it ended.

    Attributes:
        folder: temporary, removed after that.
        before: the machines that were there before, which it leaves.
    """

    def __init__(self, place: Place) -> None:
        self.folder, self.before = own_folder("machines"), place.made()
        self._dotfile = place.dotfile
        gone = script(
            GONE,
            folder=self.folder,
            mark=MARK,
            token=self.folder.name,
            root=place.root,
            dotfile=place.dotfile,
            before=" ".join(self.before),
            seconds=DESTROY_SECONDS,
        )
        self.kept: Kept = when_gone(gone, self.folder, env=place.env)

    def release(self) -> None:
        """End it where there is nothing left to destroy."""
        if self.kept.alive:
            (self.folder / "destroyed").touch()
        self.kept.stop()
        if _guards.get(self._dotfile) is self:
            del _guards[self._dotfile]


def guard(place: Place) -> Guard:
    """Return the guard of a place's machines for this process."""
    found = _guards.get(place.dotfile)
    if found is None or not found.kept.alive:
        found = _guards[place.dotfile] = Guard(place)
    return found
