"""Servers in Azure for Vagrant: vagrant/cloud.rb starts this with the order on its input.

All resources have a tag, `nochat`: with the machine's token, or, on the network and the resource
group that machines share, `course`. So an interrupted `up` can continue, and `destroy` finds all
resources. Machines are created concurrently, each by a process of its own.
"""

from typing import Any

from conversation import Machine, Order, Refused, progress, refuse_all, serve

try:
    from azure.core.exceptions import AzureError, ResourceNotFoundError
    from subscription import GONE, PATIENCE, PAUSE, Subscription, patiently, tag, unless

    from nochat.lab.azure import parts
    from nochat.lab.azure.clients import Clients
    from nochat.lab.azure.explanations import explain
    from nochat.lab.azure.settings import Settings
    from nochat.lab.errors import AzureSettingsError
    from nochat.local.processes import until
except ModuleNotFoundError as error:
    problem = f"{error.name} is missing. To do: make lab"
    refuse_all(problem)
    raise SystemExit from None

IN_USE = {"InUseSubnetCannotBeDeleted", "InUseNetworkCannotBeDeleted", "InUse"}
VERSION = {"api_version": parts.SCHEDULE_VERSION}
# The order in which they can be deleted, after the daily shutdown.
DELETED = (parts.MACHINE, parts.CARD, parts.ADDRESS, parts.RULES, parts.DISK)


class Cloud(Subscription):
    """One machine in the student's subscription."""

    def state(self) -> Machine:
        """Return the machine's state."""
        machine = next(self.ours(parts.MACHINE), None)
        if machine is None:
            return Machine("not_created")
        provisioning = machine["properties"]["provisioningState"]
        if provisioning != "Succeeded":
            return Machine(provisioning.lower())
        view = self.clients.compute.virtual_machines.instance_view(self.group, machine["name"])
        codes = [status["code"] for status in view.get("statuses", [])]
        power = next(
            (code.partition("/")[2] for code in codes if code.startswith("PowerState/")), ""
        )
        address = next(self.ours(parts.ADDRESS), None)
        host = address["properties"].get("ipAddress", "") if address else ""
        if not host:
            return Machine("preparing")
        return Machine("active" if power == "running" else power, host)

    def create(self) -> Machine:
        """Create the machine with its parts, or continue an interrupted attempt."""
        self.settings.check()
        self.clients.log_in()
        progress("The application is logged in.")
        for namespace in parts.namespaces(self.settings):
            self.register(namespace)
        for part in parts.shared(self.settings):
            self.share(part)
        machine = self.known()
        for part in parts.own(self.settings, self.order.token, self.order.public_key):
            if part.type == parts.MACHINE and machine is not None:
                self.start(machine)
            elif part.type == parts.SCHEDULE:
                self.schedule(part)
            elif part.body:
                self.make(part)
        self.mark_disk()
        return self.state()

    def register(self, namespace: str) -> None:
        """Register the subscription for a resource provider, which a new one is not.

        The SDK does this by itself, but not for long-running requests, whose answers it does not
        read.
        """
        providers = self.clients.resources.providers
        state = providers.get(namespace).registration_state
        if state == "Registered":
            return
        progress(f"The subscription is being registered for {namespace}.")
        providers.register(namespace)
        registered = lambda: providers.get(namespace).registration_state == "Registered"  # noqa: E731
        if not until(registered, PATIENCE, pause=PAUSE):
            raise Refused(f"{namespace} is still being registered: run the same again later.")

    def share(self, part: parts.Part) -> None:
        """Create a shared part if it does not exist; the other machine's process may do so, too."""
        try:
            if part.type == parts.GROUP:
                self.clients.resources.resource_groups.get(self.group)
            else:
                self.clients.network.virtual_networks.get(self.group, part.name)
        except ResourceNotFoundError:
            progress(f"{part.what.capitalize()} {part.name} is being made.")
            if part.type == parts.GROUP:
                self.clients.resources.resource_groups.create_or_update(self.group, part.body)
            else:
                patiently(lambda: self.put(part))

    def known(self) -> Any:
        """Return the machine of an earlier attempt; None if it has to be created."""
        name = self.settings.vm_name
        machines = {resource["name"]: resource for resource in self.listed(parts.MACHINE)}
        if name not in machines:
            return None
        machine = machines[name]
        if tag(machine) != self.order.token:
            raise Refused(
                f"The resource group {self.group} has another machine {name}, which is not ours: "
                "set AZURE_RESOURCE_GROUP, or AZURE_VM_NAME, to another name."
            )
        machine = self.settled(machine)
        if machine is None:
            return None
        linux = machine["properties"]["osProfile"]["linuxConfiguration"]
        keys = [key["keyData"].split()[:2] for key in linux["ssh"]["publicKeys"]]
        failed = machine["properties"]["provisioningState"] == "Failed"
        if not failed and self.order.public_key.split()[:2] in keys:
            return machine
        # It has failed for good, or the private key is lost, so that nobody could log in.
        progress(f"Machine {name} is unusable: it is made anew.")
        self.delete(parts.MACHINE, name)
        return None

    def start(self, machine: Any) -> None:
        """Start a machine, which its daily shutdown may have stopped."""
        progress(f"Machine {machine['name']} is there; it is switched on.")
        self.clients.compute.virtual_machines.begin_start(self.group, machine["name"]).result()

    def make(self, part: parts.Part) -> None:
        """Create or update a part."""
        size = f" ({part.size})" if part.size else ""
        progress(f"{part.what.capitalize()} {part.name}{size} is being made.")
        made = patiently(lambda: self.put(part))
        if part.type == parts.ADDRESS:
            progress(f"The address is {made['properties']['ipAddress']}.")

    def schedule(self, part: parts.Part) -> None:
        """Create the machine's daily shutdown, a type without a client of its own."""
        progress(f"The machine is switched off every day at {part.size}.")
        self.clients.resources.resources.begin_create_or_update_by_id(
            parts.identifier(self.settings, part.type, part.name),
            part.body,
            **VERSION,
        ).result()

    def mark_disk(self) -> None:
        """Tag the disk that was created with the machine."""
        tags = {"tags": {parts.TAG: self.order.token}}
        name = f"{self.settings.vm_name}-disk"
        self.clients.compute.disks.begin_update(self.group, name, tags).result()

    def destroy(self) -> Machine:
        """Delete all resources with the token, then the shared ones that are not used any more."""
        # The other machine's process may delete the group while we list its resources.
        if self.clients.resources.resource_groups.check_existence(self.group):
            unless({"ResourceGroupNotFound", "ResourceGroupBeingDeleted"}, self.clear)
        return Machine("not_created")

    def clear(self) -> None:
        """Delete the machine's resources in the group, in the right order, then the shared ones."""
        for machine in list(self.ours(parts.MACHINE)):
            self.settled(machine)
        self.unschedule()
        for part_type in DELETED:
            for part in list(self.ours(part_type)):
                self.delete(part_type, part["name"])
                if part_type == parts.MACHINE:
                    # After an interrupt, it has no tag yet.
                    disk = part["properties"]["storageProfile"]["osDisk"]["name"]
                    self.delete(parts.DISK, disk)
        self.unshare()

    def unschedule(self) -> None:
        """Delete the daily shutdown, even if its machine is already deleted."""
        names = {self.settings.vm_name, *(machine["name"] for machine in self.ours(parts.MACHINE))}
        schedules = self.clients.resources.resources
        for name in names:
            at = parts.identifier(self.settings, parts.SCHEDULE, parts.schedule_name(name))
            try:
                schedule = schedules.get_by_id(at, **VERSION)
            except ResourceNotFoundError:
                continue
            if tag(schedule) == self.order.token:
                progress(f"schedules {parts.schedule_name(name)} is being deleted.")
                unless(GONE, lambda at=at: schedules.begin_delete_by_id(at, **VERSION).result())

    def unshare(self) -> None:
        """Delete the shared resources, if they are ours and unused.

        Azure's list of a group is late by minutes; the lists of its types are current.
        """
        for network in self.listed(parts.NETWORKS):
            if tag(network) == parts.COURSE:
                unless(IN_USE, lambda member=network: self.delete(parts.NETWORKS, member["name"]))
        groups = self.clients.resources
        try:
            group = groups.resource_groups.get(self.group)
        except ResourceNotFoundError:
            return
        own = {kind.lower() for kind in (*DELETED, parts.NETWORKS, parts.SCHEDULE)}
        others = (
            resource
            for resource in groups.resources.list_by_resource_group(self.group)
            if (resource.type or "").lower() not in own
        )
        ours = (
            resource
            for part_type in (*DELETED, parts.NETWORKS)
            for resource in self.listed(part_type)
        )
        if tag(group) == parts.COURSE and next(ours, None) is None and next(others, None) is None:
            progress(f"Resource group {self.group} is being deleted.")
            unless(GONE, lambda: groups.resource_groups.begin_delete(self.group).result())


def act(order: Order, action: str) -> Machine:
    """Execute an action for Vagrant.

    Raises:
        Refused: Azure refuses, or does not answer, or a setting is wrong.
    """
    try:
        settings = Settings(**order.settings)
        with Clients(settings) as clients:
            machine: Machine = getattr(Cloud(order, settings, clients), action)()
    except AzureSettingsError as error:
        raise Refused(str(error)) from None
    except (AzureError, ValueError, OSError) as error:
        raise Refused(explain(error)) from None
    return machine


if __name__ == "__main__":
    serve(
        {
            "create": lambda order: act(order, "create"),
            "destroy": lambda order: act(order, "destroy"),
            "state": lambda order: act(order, "state"),
        }
    )
