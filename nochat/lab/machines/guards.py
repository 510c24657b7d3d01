"""What destroys machines when the process that made them is gone."""

import shlex
from pathlib import Path

from nochat.keeper import Kept, when_gone
from nochat.lab.folders import own_folder
from nochat.lab.machines.vagrant import MARK, Place

# Run when we are gone: ends what of our Vagrant still runs, known by a variable of its environment,
# then destroys what was not there before us. A private Docker Engine may have ended already; its
# containers did with it; and so may a stand-in for Azure, with all that it held.
CLEAN = """
test ! -e {folder}/destroyed || exit 0
for process in $(grep -lzsx {mark}={token} /proc/[0-9]*/environ); do
    process=${{process%/environ}}
    kill -9 ${{process#/proc/}}
done
cd {dotfile}/machines || exit
set --
for name in *; do
    case " {before} " in *" $name "*) ;; *) set -- "$@" "$name" ;; esac
done
test $# -gt 0 || exit 0
cd {root} && timeout {seconds} vagrant destroy --force "$@" && exit
cd {dotfile}/machines || exit
case $DOCKER_HOST in
    unix:///*) test -S "${{DOCKER_HOST#unix://}}" ||
        for name in "$@"; do rm -rf "$name/docker"; done
esac
case $AZURE_MANAGEMENT_ENDPOINT in
    https://127.0.0.1:*) for name in "$@"; do rm -rf "$name/azure"; done
esac
"""
DESTROY_SECONDS = 120

_guards: "dict[Path, Guard]" = {}


class Guard:
    """Destroys machines when this process is gone, however it ended.

    Attributes:
        folder: temporary, removed after that.
        before: the machines that were there before, which it leaves.
    """

    def __init__(self, place: Place) -> None:
        self.folder, self.before = own_folder("machines"), place.made()
        self._dotfile = place.dotfile
        script = CLEAN.format(
            folder=shlex.quote(str(self.folder)),
            mark=MARK,
            token=self.folder.name,
            root=shlex.quote(str(place.root)),
            dotfile=shlex.quote(str(place.dotfile)),
            before=" ".join(self.before),
            seconds=DESTROY_SECONDS,
        )
        self.kept: Kept = when_gone(script, self.folder, env=place.env)

    def release(self) -> None:
        """End it where there is nothing left to destroy."""
        if self.kept.alive:
            (self.folder / "destroyed").touch()
        self.kept.stop()
        if _guards.get(self._dotfile) is self:
            del _guards[self._dotfile]


def guard(place: Place) -> Guard:
    """What watches over the machines of a place for this process."""
    found = _guards.get(place.dotfile)
    if found is None or not found.kept.alive:
        found = _guards[place.dotfile] = Guard(place)
    return found
