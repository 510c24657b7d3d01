"""The real servers of the chat and of its machines: private ones, or those named by URL.

A private server takes a free port of 127.0.0.1 and a temporary folder, and ends with this process.
It changes no system service and needs no root, except Docker Engine and the bridge of LXC machines;
other machines can reach the registry. If `NOCHAT_BUS_URL`, `NOCHAT_USERS_URL`,
`NOCHAT_ACTIVITY_URL` or `NOCHAT_REGISTRY_URL` is set, that server is used instead, after a check
that it answers.
"""

from nochat.lab.errors import NotAnswering
from nochat.lab.servers.azurite_server import azurite
from nochat.lab.servers.docker_engine import docker
from nochat.lab.servers.image_registry import Registry, registry
from nochat.lab.servers.lxc_network import lxc_bridge
from nochat.lab.servers.mariadb_server import mariadb
from nochat.lab.servers.mongodb_server import mongodb
from nochat.lab.servers.rabbitmq_server import rabbitmq
from nochat.lab.servers.server import Server, stop

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
