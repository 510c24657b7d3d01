"""A running cloud, from its clients' view."""

import html
import ipaddress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import yaml
from openstack.connection import Connection

from nochat.lab.openstack import contents
from nochat.lab.openstack.container import Container


@dataclass(eq=False)
class Cloud:
    """A running cloud.

    Attributes:
        auth_url: the URL of its identity service.
        username: the user, who is not an administrator.
        password: the user's password: not for the screen.
        project: the user's project.
        network: addresses of the servers, which this computer can reach.
    """

    auth_url: str
    username: str
    password: str = field(repr=False)
    project: str
    network: ipaddress.IPv4Network
    container: Container = field(repr=False)

    @property
    def clouds(self) -> dict[str, Any]:
        """The entry of a `clouds.yaml`: `openstack.connect(**cloud.clouds["nochat"])`."""
        auth = {
            "auth_url": self.auth_url,
            "username": self.username,
            "password": self.password,
            "project_name": self.project,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }
        return {"nochat": {"auth": auth, "region_name": contents.REGION}}

    @cached_property
    def clouds_file(self) -> Path:
        """A private `clouds.yaml` of the cloud, removed with it."""
        path = self.container.folder / "clouds.yaml"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump({"clouds": self.clouds}), encoding="utf-8")
        return path

    @property
    def environment(self) -> dict[str, str]:
        """Variables for clients, and the Vagrantfile's settings of its servers."""
        return {
            "OS_CLIENT_CONFIG_FILE": str(self.clouds_file),
            "OS_CLOUD": "nochat",
            "OS_AUTH_URL": self.auth_url,
            "OS_USERNAME": self.username,
            "OS_PASSWORD": self.password,
            "OS_PROJECT_NAME": self.project,
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
            "OS_REGION_NAME": contents.REGION,
            "OS_IMAGE": contents.IMAGE,
            "OS_FLAVOR": contents.FLAVOR,
            "OS_SECURITY_GROUPS": f"default,{contents.GROUP}",
            "OS_SSH_USERNAME": "debian",
        }

    def connect(self) -> Connection:
        """Return a connection of openstacksdk as the user."""
        return Connection(**self.clouds["nochat"])

    def stop(self) -> None:
        """Stop the cloud with all that it holds; calling it again does nothing."""
        self.container.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _repr_html_(self) -> str:
        where, who = html.escape(self.auth_url), html.escape(self.username)
        return f"<b>OpenStack</b> at <code>{where}</code> for <code>{who}</code>"
