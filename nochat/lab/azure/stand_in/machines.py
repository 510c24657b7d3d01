"""Real machines behind those of the stand-in for Azure: the project's, by Vagrant and Docker."""

import asyncio
import re
import subprocess
from pathlib import Path

from nochat.lab import machines
from nochat.lab.azure.settings import MACHINES
from nochat.lab.azure.stand_in.compute import MACHINE
from nochat.lab.azure.stand_in.refusal import Refusal
from nochat.lab.azure.stand_in.store import Resource, Store
from nochat.lab.shell import script

USER = Path(__file__).with_name("user.sh")
# This chain precedes Docker's forwarding in the machine: the rules apply to published ports, too.
CHAIN = ("--wait", "--table", "mangle")
ANYWHERE = {"*", "internet", "any", "0.0.0.0/0"}


class Machines:
    """Machines of the Vagrantfile, with a Vagrant state folder of their own.

    They are destroyed when the process that started the stand-in ends.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.farm: machines.Farm | None = None
        self.turn = asyncio.Lock()  # Vagrant locks its state.

    async def make(self, machine: Resource) -> None:
        """Create the machine, with its user and its rules.

        Raises:
            Refusal: it can't be created.
        """
        async with self.turn:
            await asyncio.to_thread(self._make, machine)

    async def delete(self, machine: Resource) -> None:
        """Destroy the machine, and no other.

        Raises:
            Refusal: it can't be destroyed.
        """
        async with self.turn:
            await asyncio.to_thread(self._delete, machine)

    async def switch(self, machine: Resource, *, on: bool) -> None:
        """Start or stop the machine."""
        async with self.turn:
            await asyncio.to_thread(self._switch, machine, on)

    async def enforce(self) -> None:
        """Apply the current firewall rules."""
        async with self.turn:
            await asyncio.to_thread(self._enforce_all)

    def _make(self, machine: Resource) -> None:
        name = _name(machine)
        try:
            self.farm = machines.up(name, provider="docker", provision=False, quiet=True)
        except RuntimeError as error:
            raise Refusal(409, "OSProvisioningInternalError", str(error)) from error
        profile = machine["properties"]["osProfile"]
        for key in profile["linuxConfiguration"]["ssh"]["publicKeys"]:
            user = profile["adminUsername"]
            make = script(USER)
            self._inside(name, "sh", "-c", make, "sh", user, key["keyData"])
        self._show_address(machine, self.farm.addresses[name])
        self._enforce_all()

    def _delete(self, machine: Resource) -> None:
        name = _name(machine)
        if self.farm and name in self.farm.hosts:
            try:
                self.farm.destroy(name)
            except RuntimeError as error:
                raise Refusal(409, "OperationNotAllowed", str(error)) from error

    def _switch(self, machine: Resource, on: bool) -> None:
        if self.farm:
            _run("docker", "start" if on else "stop", self.farm.container(_name(machine)))
        if on:
            self._enforce(machine)

    def _inside(self, name: str, *command: str) -> None:
        assert self.farm
        _run("docker", "exec", self.farm.container(name), *command)

    def _show_address(self, machine: Resource, address: str) -> None:
        """Set a machine's public address to one that this computer reaches."""
        for card in self._cards(machine):
            for config in card["properties"]["ipConfigurations"]:
                if public := config["properties"].get("publicIPAddress"):
                    resource = self.store.resources[public["id"].lower()]
                    resource["properties"]["ipAddress"] = address

    def _cards(self, machine: Resource) -> list[Resource]:
        references = machine["properties"]["networkProfile"]["networkInterfaces"]
        return [self.store.resources[reference["id"].lower()] for reference in references]

    def _enforce_all(self) -> None:
        for machine in self.store.of(MACHINE):
            if self.farm and _name(machine) in self.farm.hosts:
                self._enforce(machine)

    def _enforce(self, machine: Resource) -> None:
        """Allow traffic by the rules of the machine's card, and from its own network."""
        assert self.farm
        name = _name(machine)
        process = _run(
            *("docker", "inspect", "--format", "{{.State.Pid}}", self.farm.container(name))
        ).strip()
        if process == "0":  # It is off.
            return

        def rule(*arguments: str) -> None:
            _run("nsenter", "--target", process, "--net", "iptables", *CHAIN, *arguments)

        rule("--flush", "PREROUTING")
        for match in self._matches(machine):
            rule("--append", "PREROUTING", *match)

    def _matches(self, machine: Resource) -> list[list[str]]:
        """List the rules in the order of their evaluation; the last one drops everything."""
        accept = ["--jump", "ACCEPT"]
        matches = [
            ["--match", "conntrack", "--ctstate", "ESTABLISHED,RELATED", *accept],
            ["--in-interface", "lo", *accept],
            # Traffic of containers in the machine; its own interfaces are eth0 and eth1.
            ["!", "--in-interface", "eth+", *accept],
            # On eth0, Docker's network, only Vagrant connects.
            ["--in-interface", "eth0", "--protocol", "tcp", "--dport", "22", *accept],
        ]
        assert self.farm
        own = _name(machine)
        neighbours = [address for name, address in self.farm.addresses.items() if name != own]
        allowed, rules = [], self._rules(machine)
        for rule in sorted(rules, key=lambda item: item["properties"]["priority"]):
            properties = rule["properties"]
            if properties["direction"] != "Inbound":
                continue
            jump = ["--jump", "ACCEPT" if properties["access"] == "Allow" else "DROP"]
            for source in _sources(properties, neighbours):
                allowed.append([*source, *_port(properties), *jump])
        return [*matches, *allowed, ["--jump", "DROP"]]

    def _rules(self, machine: Resource) -> list[Resource]:
        rules: list[Resource] = []
        for card in self._cards(machine):
            if group := card["properties"].get("networkSecurityGroup"):
                properties = self.store.resources[group["id"].lower()]["properties"]
                rules += properties["securityRules"] + properties["defaultSecurityRules"]
        return rules


def _sources(properties: Resource, neighbours: list[str]) -> list[list[str]]:
    source = properties["sourceAddressPrefix"]
    if source.lower() in ANYWHERE:
        return [[]]
    if source == "VirtualNetwork":
        return [["--source", address] for address in neighbours]
    return [["--source", source]] if re.match(r"\d", source) else []


def _port(properties: Resource) -> list[str]:
    ports = properties["destinationPortRange"]
    protocol = properties["protocol"].lower()
    if ports == "*":
        return [] if protocol == "*" else ["--protocol", protocol]
    return [
        "--protocol",
        "tcp" if protocol == "*" else protocol,
        "--dport",
        ports.replace("-", ":"),
    ]


def _name(machine: Resource) -> str:
    for name in MACHINES:
        if machine["name"].endswith(name):
            return name
    raise Refusal(
        409,
        "OSProvisioningClientError",
        f"Behind the stand-in there are machines for {', '.join(MACHINES)}: {machine['name']} does "
        "not end so.",
    )


def _run(*command: str) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise Refusal(
            409, "OSProvisioningInternalError", f"{command[0]} failed: {ran.stderr.strip()}"
        )
    return ran.stdout
