"""The state of the stand-in for Azure Resource Manager: groups, resources and operations."""

import asyncio
import logging
import re
import secrets
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from nochat.lab.azure.stand_in.refusal import Failure, Refusal

log = logging.getLogger(__name__)

Resource = dict[str, Any]

# Azure takes seconds to minutes; this is enough to be seen as `Creating`.
PACE = 0.05
LOCATIONS = ("westeurope", "northeurope", "spaincentral", "francecentral", "eastus")
PROVIDERS = {
    "microsoft.compute": "Microsoft.Compute",
    "microsoft.network": "Microsoft.Network",
    "microsoft.devtestlab": "Microsoft.DevTestLab",
    "microsoft.resources": "Microsoft.Resources",
}
IDENTIFIER = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/([^/]+)/providers/([^/]+/[^/]+)/([^/]+)$", re.I
)


@dataclass
class Operation:
    """Something that takes its time.

    Attributes:
        id: by which it is asked for.
        error: why it failed.
    """

    id: str
    error: Refusal | None = None
    task: "asyncio.Task[None] | None" = None

    @property
    def status(self) -> str:
        """The state of the operation, in Azure's word."""
        if self.error:
            return "Failed"
        return "Succeeded" if self.task is None or self.task.done() else "InProgress"


@dataclass
class Store:
    """One subscription, and all that is in it.

    Attributes:
        subscription: its id.
        cores: that its quota allows in each region.
        groups: the resource groups, by their name in small letters.
        resources: all others, by their id in small letters.
        registered: which providers the subscription may use.
        failures: what is to go wrong.
    """

    subscription: str
    cores: int
    groups: dict[str, Resource] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    registered: set[str] = field(default_factory=lambda: set(PROVIDERS))
    failures: list[Failure] = field(default_factory=list)

    def identifier(self, group: str, kind: str, name: str) -> str:
        """Return the id of a resource."""
        known = self.groups.get(group.lower(), {}).get("name", group)
        return f"/subscriptions/{self.subscription}/resourceGroups/{known}/providers/{kind}/{name}"

    def of(self, kind: str, group: str = "") -> Iterator[Resource]:
        """List the resources of a type, in a group or anywhere; of any type, if it is empty."""
        for identifier, resource in list(self.resources.items()):
            match = IDENTIFIER.fullmatch(identifier)
            if (
                match
                and (not group or match[1] == group.lower())
                and (not kind or match[2] == kind.lower())
            ):
                yield resource

    def group(self, name: str, *, to_write: bool = False) -> Resource:
        """Find a resource group.

        Raises:
            Refusal: there is none; or it is being deleted, and nothing can be made in it.
        """
        group = self.groups.get(name.lower())
        if group is None:
            raise Refusal(
                404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found."
            )
        if to_write and group["properties"]["provisioningState"] == "Deleting":
            raise Refusal(
                409,
                "ResourceGroupBeingDeleted",
                f"The resource group '{name}' is in deprovisioning state and cannot perform this "
                "operation.",
            )
        return group

    def get(self, identifier: str) -> Resource:
        """Find a resource.

        Raises:
            Refusal: there is none.
        """
        resource = self.resources.get(identifier.lower())
        if resource is None:
            kind, name = identifier.split("/providers/")[-1].rsplit("/", 1)
            group = identifier.split("/")[4]
            raise Refusal(
                404,
                "ResourceNotFound",
                f"The Resource '{kind}/{name}' under resource group '{group}' was not found. For "
                "more details please go to https://aka.ms/ARMResourceNotFoundFix",
            )
        return resource

    def refer(self, reference: Any, resource: Resource) -> Resource:
        """Find the resource that another one names by its id.

        Raises:
            Refusal: there is no such thing.
        """
        identifier = str((reference or {}).get("id", ""))
        referred = self.resources.get(identifier.lower())
        if referred is None:
            raise Refusal(
                400,
                "InvalidResourceReference",
                f"Resource {identifier} referenced by resource {resource['id']} was not found. "
                "Please make sure that the referenced resource exists, and that both resources "
                "are in the same region.",
            )
        return referred

    def begin(
        self,
        work: Callable[[], Awaitable[None]],
        done: Callable[[], None],
        failed: Callable[[], None],
        failure: Refusal | None = None,
    ) -> Operation:
        """Start something that goes on also when nobody asks for it.

        Args:
            work: what takes its time.
            done: called when it is.
            failed: called when it failed.
            failure: what it is to fail with in the end.
        """
        operation = Operation(str(uuid.uuid4()))

        async def run() -> None:
            try:
                await asyncio.sleep(PACE)
                if failure:
                    raise failure
                await work()
                done()
            except Refusal as refusal:
                operation.error = refusal
                failed()
            except Exception as error:  # a fault of ours: no success
                log.exception("an operation failed")
                operation.error = Refusal(500, "InternalServerError", repr(error))
                failed()

        operation.task = asyncio.create_task(run())
        self.operations[operation.id] = operation
        return operation

    def fail(self, kind: str, method: str, *, later: bool) -> Refusal | None:
        """Return the failure that was ordered for a resource type: immediate, or asynchronous."""
        for failure in self.failures:
            if failure.fits(kind, method) and failure.later is later:
                failure.times -= 1
                self.failures = [fault for fault in self.failures if fault.times > 0]
                return failure.refusal
        return None


def now() -> str:
    """Return the time, as Azure writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def etag() -> str:
    """Make up the version of a network resource that has changed."""
    return f'W/"{uuid.uuid4()}"'


def mac_address() -> str:
    """Make an address of the range that Azure uses."""
    return "00-0D-3A-" + "-".join(f"{byte:02X}" for byte in secrets.token_bytes(3))
