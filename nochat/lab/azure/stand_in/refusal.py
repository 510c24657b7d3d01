"""Refusals in Azure Resource Manager's form, and failures that tests order from the stand-in."""

from dataclasses import dataclass
from typing import Any


class Refusal(Exception):
    """The stand-in says no, in Azure's words.

    Attributes:
        status: of HTTP.
        code: Azure's own.
        headers: further ones of the answer.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, headers or {}

    @property
    def body(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"error": {"code": self.code, "message": str(self)}}


# What the failures that can be ordered say, with their status.
SAYINGS = {
    "AllocationFailed": (
        409,
        "Allocation failed. We do not have sufficient capacity for the requested VM size in this "
        "region. Read more about improving likelihood of allocation success at "
        "https://aka.ms/allocation-guidance",
    ),
    "AuthorizationFailed": (
        403,
        "The client with object id 'of the application' does not have authorization to perform "
        "this action, or the scope is invalid. If access was recently granted, please refresh "
        "your credentials.",
    ),
    "AnotherOperationInProgress": (
        429,
        "Another operation on this or dependent resource is in progress. To retrieve status of "
        "the operation use uri in the Azure-AsyncOperation header.",
    ),
    "InternalServerError": (500, "An unexpected error occurred while processing the request."),
    "OSProvisioningTimedOut": (
        409,
        "OS Provisioning for VM did not finish in the allotted time. The VM may still finish "
        "provisioning successfully. Please check provisioning state later.",
    ),
    "RequestDisallowedByPolicy": (403, "Resource was disallowed by policy."),
    "TooManyRequests": (429, "The request is being throttled as the limit has been reached."),
}


@dataclass
class Failure:
    """A failure that was ordered.

    Attributes:
        kind: type of a resource, as `virtualMachines`.
        code: Azure's own, as `AllocationFailed`.
        method: of HTTP: PUT, GET, DELETE, …
        later: the request is accepted, and what it asks for fails half-way.
        times: how often.
    """

    kind: str
    code: str
    method: str = "PUT"
    later: bool = False
    times: int = 1

    def fits(self, kind: str, method: str) -> bool:
        """Tell whether a request is one of those that are to fail."""
        return kind.rpartition("/")[2].lower() == self.kind.lower() and method == self.method

    @property
    def refusal(self) -> Refusal:
        """The refusal to answer with."""
        status, message = SAYINGS.get(self.code, (409, f"The operation failed: {self.code}."))
        headers = {"Retry-After": "1"} if status == 429 else {}
        return Refusal(status, self.code, message, headers)
