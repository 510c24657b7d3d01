"""The real servers of the chat and of its machines: private ones, or those named by URL.

A private server takes a free port of 127.0.0.1 and a temporary folder, touches no system service
and needs no root; but Docker Engine and the bridge of LXC machines do, and the registry is reached
by other machines, too. It is gone with this process. Where `NOCHAT_BUS_URL`, `NOCHAT_USERS_URL`,
`NOCHAT_ACTIVITY_URL` or `NOCHAT_REGISTRY_URL` is set, the server that it names is used instead,
after a check that it answers.
"""

from nochat.lab.servers._azurite import azurite
from nochat.lab.servers._docker import docker
from nochat.lab.servers._lxc import lxc_bridge
from nochat.lab.servers._mariadb import mariadb
from nochat.lab.servers._mongodb import mongodb
from nochat.lab.servers._rabbitmq import rabbitmq
from nochat.lab.servers._registry import Registry, registry
from nochat.lab.servers._server import NotAnswering, Server, stop

__all__ = [
    "NotAnswering",
    "Registry",
    "Server",
    "azurite",
    "docker",
    "lxc_bridge",
    "mariadb",
    "mongodb",
    "rabbitmq",
    "registry",
    "stop",
]
