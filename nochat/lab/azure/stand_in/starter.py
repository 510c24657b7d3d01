"""The stand-in for Azure, which ends with the process that started it.

No part of it is Microsoft's: it speaks the published protocol of Azure Resource Manager to the real
SDK, so that students can try Azure before they have an account.
"""

import html
import json
import os
import secrets
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import certifi

from nochat.lab import servers
from nochat.lab.board import progress
from nochat.lab.certificates import Authority
from nochat.lab.errors import CloudError
from nochat.lab.folders import find_root, own_folder
from nochat.lab.shell import script
from nochat.lab.surroundings import MACHINES
from nochat.lab.waiting import until_ready
from nochat.local import doctor
from nochat.local.processes import ChildProcess, free_port, listens, start_child

NAME = "Stand-in for Azure"
START_SECONDS = 60.0
PROVIDER = {"VAGRANT_DEFAULT_PROVIDER": "docker"}
GONE = Path(__file__).with_name("gone.sh")


@dataclass(eq=False)
class AzureStandIn:
    """A running stand-in for Azure.

    Attributes:
        url: its address.
        tenant: the directory.
        client: the application.
        secret: its password: not for the screen.
        subscription: the application's subscription.
        bundle: file of the authorities to trust: this computer's, and the stand-in's own.
        child: its process.
    """

    url: str
    tenant: str
    client: str
    secret: str = field(repr=False)
    subscription: str
    bundle: Path = field(repr=False)
    child: ChildProcess = field(repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """Variables for Azure's SDK, for the Vagrantfile and for `AzureAccount`."""
        return {
            "AZURE_TENANT_ID": self.tenant,
            "AZURE_CLIENT_ID": self.client,
            "AZURE_CLIENT_SECRET": self.secret,
            "AZURE_SUBSCRIPTION_ID": self.subscription,
            "AZURE_MANAGEMENT_ENDPOINT": self.url,
            "AZURE_AUTHORITY_HOST": self.url,
            "AZURE_PRICES_URL": f"{self.url}/api/retail/prices",
            "AZURE_SSH_FROM": MACHINES,  # this computer, as its machines see it
            "REQUESTS_CA_BUNDLE": str(self.bundle),
        }

    def fail(
        self, kind: str, code: str, *, method: str = "PUT", later: bool = False, times: int = 1
    ) -> None:
        """Make the next request for a type of resource fail.

        Args:
            kind: the type, as `virtualMachines`; or `resourceGroups`.
            code: Azure's error code, as `AllocationFailed` or `TooManyRequests`.
            method: HTTP method.
            later: accept the request, and let its operation fail.
            times: number of requests that fail.
        """
        order = {"kind": kind, "code": code, "method": method, "later": later, "times": times}
        self._tell(order)

    def unregister(self, namespace: str) -> None:
        """Unregister a resource provider from the subscription, as in a new one."""
        self._tell({"unregister": namespace})

    def stop(self) -> None:
        """Stop it and all that it holds; calling it again does nothing.

        Its variables are removed from this process's environment, as one names a removed file.
        """
        for name, value in self.environment.items():
            if os.environ.get(name) == value:
                del os.environ[name]
        self.child.stop()

    def _tell(self, order: dict[str, object]) -> None:
        from azure.core import PipelineClient
        from azure.core.rest import HttpRequest, HttpResponse

        with PipelineClient[HttpRequest, HttpResponse](self.url) as client:
            request = HttpRequest("POST", f"{self.url}/stand-in/fail-next", json=order)
            client.send_request(request, connection_verify=str(self.bundle)).raise_for_status()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _repr_html_(self) -> str:
        return f"<b>{NAME}</b> at <code>{html.escape(self.url)}</code>"


def azure_stand_in(*, cores: int = 10, machines: bool = False, quiet: bool = False) -> AzureStandIn:
    """Start a stand-in for Azure, with one subscription; it ends with this process.

    Args:
        cores: quota of cores in each region.
        machines: create a real machine, by Vagrant's docker provider, for every virtual machine
            whose name ends with one of the Vagrantfile's; that needs root.
        quiet: print nothing.

    Raises:
        CloudError: real machines need root.
        Missing: a program for the machines is not installed.
        NotAnswering: Docker's engine can't be used.
        NotReady: it does not start.
    """
    if machines:
        if os.geteuid() != 0:
            raise CloudError("real machines need root, for the rules that close ports: use sudo")
        doctor.require("vagrant")
        servers.docker(quiet=quiet)
    with progress(NAME, quiet):
        folder, port = own_folder("azure"), free_port()
        authority = Authority("nochat's stand-in for Azure")
        issued = authority.issue(folder / "tls", "azure", ["127.0.0.1", "localhost"])
        bundle = folder / "bundle.pem"
        known = Path(os.environ.get("REQUESTS_CA_BUNDLE") or certifi.where())
        bundle.write_bytes(known.read_bytes() + b"\n" + issued.authority.read_bytes())
        told = {
            "port": port,
            "tenant": str(uuid.uuid4()),
            "client": str(uuid.uuid4()),
            "secret": secrets.token_urlsafe(30),
            "subscription": str(uuid.uuid4()),
            "cores": cores,
            "machines": machines,
            "certificate": str(issued.certificate),
            "key": str(issued.key),
        }
        notes, file = folder / "made", folder / "told"
        file.touch(mode=0o600)
        file.write_text(json.dumps(told), encoding="utf-8")
        child = start_child(
            [sys.executable, "-m", "nochat.lab.azure.stand_in", file],
            env={**os.environ, "VAGRANT_DOTFILE_PATH": str(notes), **PROVIDER},
            log=folder / "log",
            remove=folder,
            after=script(GONE, notes=notes, root=find_root()) if machines else "",
        )
        try:
            until_ready(lambda: listens(port), START_SECONDS, NAME, child, quiet=True)
        except BaseException:
            child.stop()
            raise
        names = {key: str(told[key]) for key in ("tenant", "client", "secret", "subscription")}
        return AzureStandIn(f"https://127.0.0.1:{port}", **names, bundle=bundle, child=child)
