"""Servers in OpenStack for Vagrant: vagrant/cloud.rb starts this with the order on its input.

All resources have the machine's token: a server in its metadata, a key pair as its name, a
floating address as its description. So an interrupted `up` can continue, and `destroy` finds them.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from conversation import Machine, Order, Refused, progress, refuse_all, serve

try:
    import openstack
    from keystoneauth1.exceptions import ClientException
    from openstack.exceptions import SDKException
except ModuleNotFoundError as error:
    problem = f"{error.name} is missing. To do: .venv/bin/pip install 'openstacksdk>=4,<5'"
    refuse_all(problem)
    raise SystemExit from None

logging.getLogger("keystoneauth").setLevel(logging.ERROR)  # Its warnings repeat the error.
PATIENCE = 600  # seconds to build a server, which takes minutes in an emulated cloud


class Cloud:
    """The user's project in OpenStack."""

    def __init__(self, order: Order) -> None:
        self.order, self.settings = order, order.settings
        self.connection = openstack.connect(
            load_yaml_config=False,
            load_envvars=False,
            auth_type="password",
            auth={
                "auth_url": self.settings["openstack_auth_url"],
                "username": self.settings["username"],
                "password": self.settings["password"],
                "project_name": self.settings["tenant_name"],
                "user_domain_name": self.settings["user_domain_name"],
                "project_domain_name": self.settings["project_domain_name"],
            },
            region_name=self.settings.get("region"),
            cacert=self.settings.get("ssl_ca_file"),
            app_name="nochat",
        )
        self.compute, self.network = self.connection.compute, self.connection.network

    def servers(self) -> Iterator[Any]:
        """Return the machine's servers: more than one only after two concurrent `up`."""
        token = self.order.token
        return (
            server for server in self.compute.servers() if server.metadata.get("nochat") == token
        )

    def addresses(self) -> Iterator[Any]:
        """Return the machine's floating addresses."""
        return self.network.ips(description=self.order.token)

    def state(self) -> Machine:
        """Return the machine's state."""
        server = next(self.servers(), None)
        if server is None:
            return Machine("not_created")
        floating = next(self.addresses(), None)
        if floating is None and "floating_ip_pool" in self.settings:
            return Machine("preparing")
        ports = (port for ports in server.addresses.values() for port in ports)
        fixed = next((port["addr"] for port in ports if port["version"] == 4), "")
        host = floating.floating_ip_address if floating else fixed
        return Machine(server.status.lower(), host)

    def create(self) -> Machine:
        """Create the server with its resources, or continue an interrupted attempt."""
        self.connection.authorize()
        progress(f"{self.settings['username']} is logged in.")
        key = self.key()
        server = next(self.servers(), None) or self.server(key)
        if server.status == "SHUTOFF":
            self.compute.start_server(server)
        progress(f"Server {server.name} is being built.")
        server = self.compute.wait_for_server(server, interval=3, wait=PATIENCE)
        if "floating_ip_pool" in self.settings and next(self.addresses(), None) is None:
            self.float(server)
        return self.state()

    def key(self) -> str:
        """Return the name of the key pair: the user's, or the machine's own, which it creates."""
        if "keypair_name" in self.settings:
            return str(self.settings["keypair_name"])
        known = self.compute.find_keypair(self.order.token)
        wanted = self.order.public_key.split()[:2]
        if known and known.public_key.split()[:2] != wanted:
            self.destroy()  # The private key of the server is lost: nobody could log in.
            known = None
        if not known:
            public_key = " ".join(wanted)
            self.compute.create_keypair(name=self.order.token, public_key=public_key)
        return self.order.token

    def server(self, key: str) -> Any:
        """Request the server, which is not ready yet."""
        wanted: dict[str, Any] = {
            "name": self.settings["server_name"],
            "image_id": self.named("image", self.connection.image.images()),
            "flavor_id": self.named("flavor", self.compute.flavors()),
            "key_name": key,
            "metadata": {"nochat": self.order.token},
            "security_groups": [{"name": name} for name in self.settings["security_groups"]],
        }
        wanted["networks"] = "auto"  # the only one that there is
        if networks := self.settings.get("networks"):
            known = list(self.network.networks())
            wanted["networks"] = [
                {"uuid": identifier("network", network, known)} for network in networks
            ]
        return self.compute.create_server(**wanted)

    def float(self, server: Any) -> None:
        """Assign the server a public address."""
        pool = self.named("floating_ip_pool", self.network.networks())
        port = next(self.network.ports(device_id=server.id))
        address = self.network.create_ip(
            floating_network_id=pool, port_id=port.id, description=self.order.token
        )
        progress(f"Its address is {address.floating_ip_address}.")

    def destroy(self) -> Machine:
        """Delete all resources with the token, if there are any."""
        for address in self.addresses():
            self.network.delete_ip(address)
        for server in list(self.servers()):
            self.compute.delete_server(server)
            self.compute.wait_for_delete(server, wait=PATIENCE)
        self.compute.delete_keypair(self.order.token)
        return Machine("not_created")

    def named(self, setting: str, known: Iterator[Any]) -> str:
        """Return the id of the resource that a setting names."""
        return identifier(setting, self.settings[setting], list(known))


def identifier(what: str, name: str, known: Sequence[Any]) -> str:
    """Return the id of the resource with this name or id.

    Raises:
        Refused: there is no such resource.
    """
    for candidate in known:
        if name in (candidate.name, candidate.id):
            return str(candidate.id)
    names = ", ".join(sorted(resource.name for resource in known)) or "nothing at all"
    raise Refused(f"This OpenStack has no {what} {name}; it has: {names}.")


def act(order: Order, action: str) -> Machine:
    """Execute an action for Vagrant.

    Raises:
        Refused: the cloud refuses, or does not answer.
    """
    try:
        machine: Machine = getattr(Cloud(order), action)()
    except (SDKException, ClientException) as error:
        raise Refused(f"OpenStack at {order.settings['openstack_auth_url']}: {error}") from None
    return machine


if __name__ == "__main__":
    serve(
        {
            "create": lambda order: act(order, "create"),
            "destroy": lambda order: act(order, "destroy"),
            "state": lambda order: act(order, "state"),
        }
    )
