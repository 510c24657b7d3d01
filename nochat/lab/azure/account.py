"""A student's account in Azure: a check of it, a plan of its resources, and those left over."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Self

from azure.core.exceptions import AzureError, ResourceNotFoundError

from nochat.lab.azure import parts, plan
from nochat.lab.azure.clients import Clients
from nochat.lab.azure.explanations import advice, explain
from nochat.lab.azure.plan import Plan
from nochat.lab.azure.settings import MACHINES, Settings
from nochat.lab.checks import Condition, Report, check, that
from nochat.lab.errors import AzureSettingsError


@dataclass(frozen=True)
class AzureAccount:
    """An account, with the settings of the Vagrantfile's machines in it.

    Attributes:
        machines: the settings of each machine.
    """

    machines: tuple[Settings, ...]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the Vagrantfile's settings: the variables `AZURE_…`.

        Raises:
            AzureSettingsError: a variable without a default is not set.
        """
        return cls(tuple(Settings.from_environment(name, environment) for name in MACHINES))

    @property
    def settings(self) -> Settings:
        """The settings of the public machine; most are the same for all."""
        return self.machines[0]

    def preflight(self) -> Report:
        """Check whether machines can be created, without creating anything.

        Raises:
            CheckFailed: something is missing; the message says what to do about it.
        """
        with Clients(self.settings) as clients:
            login = _asked("the application can log in", clients.log_in)
            conditions = [self._settings_are_right(), login]
            if login.holds:
                conditions += _Preflight(self, clients).conditions()
        return check("Azure: machines can be made", *conditions)

    def plan(self) -> Plan:
        """Plan the resources of `vagrant up --provider=azure`, with prices, offline."""
        return plan.make(list(self.machines))

    def left(self) -> list[str]:
        """List the ids of all resources in the subscription with the course's tag.

        Azure's own list may be some minutes late.

        Raises:
            AzureError: Azure refuses, or does not answer.
        """
        ids = []
        ours = f"tagName eq '{parts.TAG}'"
        with Clients(self.settings) as clients:
            for group in clients.resources.resource_groups.list(filter=ours):
                ids.append(str(group.id))
            for resource in clients.resources.resources.list(filter=ours):
                ids.append(str(resource.id))
        return sorted(ids)

    def _settings_are_right(self) -> Condition:
        what = "the variables are set as they should be"
        try:
            for machine in self.machines:
                machine.check()
        except AzureSettingsError as error:
            return that(what, False, otherwise=str(error))
        return that(what, True)


class _Preflight:
    """The checks of an account after the log-in."""

    def __init__(self, account: AzureAccount, clients: Clients) -> None:
        self.account, self.settings, self.clients = account, account.settings, clients

    def conditions(self) -> list[Condition]:
        subscription = _asked("the subscription is switched on", self._subscription)
        if not subscription.holds:
            return [subscription]
        providers = [
            _asked(f"{namespace} is registered", partial(self._provider, namespace))
            for namespace in parts.namespaces(self.settings)
        ]
        size = _asked(f"{self.settings.location} has {self.settings.vm_size}", self._size)
        return [
            subscription,
            *providers,
            size,
            *([_asked("its cores are within the quota", self._quota)] if size.holds else []),
            _asked("the image is there", self._image),
            _asked("the resource group is free, or ours", self._group),
            *([_asked("the name is free", self._name)] if self.settings.dns_name else []),
        ]

    def _subscription(self) -> str:
        state = self.clients.subscription()["state"]
        _need(state == "Enabled", f"ReadOnlyDisabledSubscription: it is {state}")
        return str(state)

    def _provider(self, namespace: str) -> str:
        state = str(self.clients.resources.providers.get(namespace).registration_state)
        _need(state == "Registered", f"{state}; MissingSubscriptionRegistration of {namespace}")
        return state

    @cached_property
    def _sizes(self) -> dict[str, Any]:
        where = f"location eq '{self.settings.location}'"
        skus = self.clients.compute.resource_skus.list(filter=where)
        return {
            sku["name"].lower(): sku for sku in skus if sku["resourceType"] == "virtualMachines"
        }

    def _size(self) -> str:
        size = self._sizes.get(self.settings.vm_size.lower())
        _need(size is not None, f"VM size {self.settings.vm_size} is not there")
        assert size is not None
        reasons = {restriction["reasonCode"] for restriction in size.get("restrictions", [])}
        _need(not reasons, f"SkuNotAvailable: {', '.join(reasons)}")
        able = {capability["name"]: capability["value"] for capability in size["capabilities"]}
        return f"{able['vCPUs']} cores, {able['MemoryGB']} GB"

    def _quota(self) -> str:
        size = self._sizes[self.settings.vm_size.lower()]
        able = {capability["name"]: capability["value"] for capability in size["capabilities"]}
        there = self._there()
        new = [machine for machine in self.account.machines if machine.vm_name not in there]
        wanted = int(able["vCPUs"]) * len(new)
        seen = []
        for usage in self.clients.compute.usage.list(self.settings.location):
            if (name := usage["name"]["value"]) in ("cores", size["family"]):
                free = usage["limit"] - usage["currentValue"]
                _need(free >= wanted, f"quota {name}: {free} free, {wanted} wanted")
                seen.append(f"{name}: {free} free")
        return f"{wanted} wanted; {', '.join(seen)}"

    def _there(self) -> set[str]:
        """Return the names of the group's machines."""
        machines = self.clients.compute.virtual_machines
        try:
            return {
                str(machine.name) for machine in machines.list(self.settings.resource_group_name)
            }
        except ResourceNotFoundError:
            return set()

    def _image(self) -> str:
        image = self.settings.image
        try:
            offered = self.clients.compute.virtual_machine_images.list(
                self.settings.location, image["publisher"], image["offer"], image["sku"]
            )
            versions = [str(version["name"]) for version in offered]
        except ResourceNotFoundError:
            versions = []
        known = bool(versions) and image["version"] in ("latest", *versions)
        _need(known, f"PlatformImageNotFound: {self.settings.vm_image_urn}")
        return versions[-1] if image["version"] == "latest" else image["version"]

    def _group(self) -> str:
        name = self.settings.resource_group_name
        try:
            group = self.clients.resources.resource_groups.get(name)
        except ResourceNotFoundError:
            return f"{name} is free"
        tag = (group.tags or {}).get(parts.TAG, "")
        whose = "was made by azure.yml" if tag == "playbook" else "is not of the course"
        _need(tag == parts.COURSE, f"{name} {whose}: set AZURE_RESOURCE_GROUP to another name")
        return f"{name} is ours"

    def _name(self) -> str:
        label = self.settings.dns_name
        answer = self.clients.network.check_dns_name_availability(
            self.settings.location, domain_name_label=label
        )
        _need(bool(answer.available) or self._is_ours(label), f"DnsRecordInUse: {label}")
        return f"{label}.{self.settings.location}.cloudapp.azure.com"

    def _is_ours(self, label: str) -> bool:
        """Return whether the existing machine has the name."""
        try:
            address = self.clients.network.public_ip_addresses.get(
                self.settings.resource_group_name, f"{self.settings.vm_name}-address"
            )
        except ResourceNotFoundError:
            return False
        names = address["properties"].get("dnsSettings") or {}
        return bool(names.get("domainNameLabel") == label)


class _Unmet(Exception):
    """A condition that does not hold; the message says what was seen."""


def _need(holds: bool, seen: str) -> None:
    if not holds:
        raise _Unmet(seen)


def _asked(what: str, ask: Callable[[], str | None]) -> Condition:
    """Ask Azure for a condition."""
    try:
        return that(what, True, ask())
    except (_Unmet, AzureSettingsError) as error:
        return that(what, False, str(error), advice(str(error)))
    except (AzureError, ValueError, LookupError, OSError) as error:
        said, _, helps = explain(error).partition("\nTo do: ")
        return that(what, False, said, helps)
