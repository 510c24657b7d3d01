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

# Azure takes seconds to minutes; this is enough for clients to see `Creating`.
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
    """An asynchronous operation.

    Attributes:
        id: its id in requests.
        error: the error, if it failed.
    """

    id: str
    error: Refusal | None = None
    task: "asyncio.Task[None] | None" = None

    @property
    def status(self) -> str:
        """The state of the operation, as Azure names it."""
        if self.error:
            return "Failed"
        return "Succeeded" if self.task is None or self.task.done() else "InProgress"


@dataclass
class Store:
    """One subscription with its resources.

    Attributes:
        subscription: its id.
        cores: its quota of cores in each region.
        groups: the resource groups, by lower-case name.
        resources: all other resources, by lower-case id.
        operations: the asynchronous operations, by id.
        registered: the providers that the subscription may use.
        failures: the injected failures.
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
        """Yield the resources of a type (empty for any), in a group or anywhere."""
        for identifier, resource in list(self.resources.items()):
            match = IDENTIFIER.fullmatch(identifier)
            if (
                match
                and (not group or match[1] == group.lower())
                and (not kind or match[2] == kind.lower())
            ):
                yield resource

    def group(self, name: str, *, to_write: bool = False) -> Resource:
        """Return a resource group.

        Raises:
            Refusal: it does not exist; or it is being deleted, and `to_write` is set.
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
        """Return a resource.

        Raises:
            Refusal: it does not exist.
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
        """Return the resource that another one refers to by its id.

        Raises:
            Refusal: it does not exist.
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
        """Start an operation in the background.

        Args:
            work: the work of the operation.
            done: called after a success.
            failed: called after a failure.
            failure: an injected failure, raised in place of the work.
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
            except Exception as error:  # a bug in the stand-in: the operation fails
                log.exception("an operation failed")
                operation.error = Refusal(500, "InternalServerError", repr(error))
                failed()

        operation.task = asyncio.create_task(run())
        self.operations[operation.id] = operation
        return operation

    def fail(self, kind: str, method: str, *, later: bool) -> Refusal | None:
        """Return the injected failure of a resource type: immediate, or of its operation."""
        for failure in self.failures:
            if failure.fits(kind, method) and failure.later is later:
                failure.times -= 1
                self.failures = [fault for fault in self.failures if fault.times > 0]
                return failure.refusal
        return None


def now() -> str:
    """Return the time in Azure's format."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def etag() -> str:
    """Return a new ETag for a changed network resource."""
    return f'W/"{uuid.uuid4()}"'


def mac_address() -> str:
    """Return a random address of Azure's range."""
    return "00-0D-3A-" + "-".join(f"{byte:02X}" for byte in secrets.token_bytes(3))
