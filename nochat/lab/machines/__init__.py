"""The machines of the Vagrantfile, by python-vagrant; destroyed with the process that made them.

For example::

    farm = machines.up(provider="docker", provision=False)
    farm.ssh("containers-host", "hostname")
    farm.destroy()
"""

from nochat.lab.errors import MachinesError
from nochat.lab.folders import find_root
from nochat.lab.machines.farm import Farm, Tunnel, up, watch
from nochat.lab.machines.own import empty_folder

__all__ = ["Farm", "MachinesError", "Tunnel", "empty_folder", "find_root", "up", "watch"]
