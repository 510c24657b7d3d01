"""The contents of a new cloud, created through its own interfaces, as by an operator."""

import os
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from openstack.connection import Connection

REGION = "RegionOne"
PROJECT, USER = "nochat", "student"
IMAGE = f"debian-{os.environ.get('NOCHAT_DEBIAN') or 13}"  # as tools/box makes it
FLAVOR, NETWORK, GROUP = "m1.small", "provider", "machine"
IDENTITY_PORT = 5000
# Service, type, port and path.
ENDPOINTS = (
    ("glance", "image", 9292, ""),
    ("placement", "placement", 8778, ""),
    ("neutron", "network", 9696, ""),
    ("nova", "compute", 8774, "/v2.1"),
)
COMMAND_LINE = "root=/dev/vda rw console=ttyS0 net.ifnames=0"
# Ports of a machine that are open to the outside: SSH, the public chat, and the chat on port 8000.
OPEN_PORTS = (22, 80, 443, 8000)


def connect(address: str, username: str, password: str, project: str) -> Connection:
    """Return a connection to the cloud at an address, without a request yet."""
    return Connection(
        auth={
            "auth_url": f"http://{address}:{IDENTITY_PORT}/v3",
            "username": username,
            "password": password,
            "project_name": project,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        },
        region_name=REGION,
    )


def add_accounts(cloud: Connection, address: str, services: str, user: str) -> None:
    """Add the services, with their users, and the user of the course.

    Args:
        cloud: a connection as administrator.
        address: the machine's address.
        services: password of the services' users.
        user: password of the user.
    """
    identity: Any = cloud.identity  # The library knows an older interface too.
    roles = {role.name: role for role in identity.roles()}
    common = identity.create_project(name="service", domain_id="default")
    for name, kind, port, path in ENDPOINTS:
        account = identity.create_user(name=name, password=services, domain_id="default")
        identity.assign_project_role_to_user(common, account, roles["admin"])
        service = identity.create_service(name=name, type=kind)
        for interface in ("public", "internal"):
            identity.create_endpoint(
                service_id=service.id,
                interface=interface,
                region_id=REGION,
                url=f"http://{address}:{port}{path}",
            )
    project = identity.create_project(name=PROJECT, domain_id="default")
    student = identity.create_user(name=USER, password=user, domain_id="default")
    identity.assign_project_role_to_user(project, student, roles["member"])


def add_image(cloud: Connection, folder: Path) -> None:
    """Upload a disk with its kernel and initial RAM disk, and create a flavor for it."""

    images: Any = cloud.image  # Its annotations leave out that data may be a file.

    def upload(name: str, file: str, container: str, disk: str, **more: Any) -> str:
        with (folder / file).open("rb") as data:
            made = images.create_image(
                name,
                data=data,
                container_format=container,
                disk_format=disk,
                visibility="public",
                **more,
            )
        return str(made.id)

    upload(
        IMAGE,
        "disk.qcow2",
        "bare",
        "qcow2",
        kernel_id=upload(f"{IMAGE}-kernel", "vmlinuz", "aki", "aki"),
        ramdisk_id=upload(f"{IMAGE}-ramdisk", "initrd.img", "ari", "ari"),
        os_command_line=COMMAND_LINE,
    )
    cloud.compute.create_flavor(name=FLAVOR, vcpus=2, ram=2048, disk=8)


def add_network(cloud: Connection, network: IPv4Network, resolver: IPv4Address) -> None:
    """Add the network that all servers share; its first two addresses are reserved.

    Args:
        cloud: a connection as administrator.
        network: its addresses; the second one is the gateway.
        resolver: address of the name server.
    """
    made = cloud.network.create_network(
        name=NETWORK,
        is_shared=True,
        provider_network_type="flat",
        provider_physical_network="provider",
    )
    cloud.network.create_subnet(
        network_id=made.id,
        ip_version=4,
        cidr=str(network),
        gateway_ip=str(network[2]),
        allocation_pools=[{"start": str(network[3]), "end": str(network[-2])}],
        dns_nameservers=[str(resolver)],
    )


def open_ports(cloud: Connection) -> None:
    """Add a security group with the open ports to the user's project."""
    group = cloud.network.create_security_group(name=GROUP, description="from outside")
    for port in OPEN_PORTS:
        cloud.network.create_security_group_rule(
            security_group_id=group.id,
            direction="ingress",
            ethertype="IPv4",
            protocol="tcp",
            port_range_min=port,
            port_range_max=port,
        )
