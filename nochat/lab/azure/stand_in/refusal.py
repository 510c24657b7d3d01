"""Errors in Azure Resource Manager's form, and failures that tests inject into the stand-in."""

from dataclasses import dataclass
from typing import Any


class Refusal(Exception):
    """A refused request, with Azure's error.

    Attributes:
        status: HTTP status.
        code: Azure's error code.
        headers: further headers of the answer.
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


# The statuses and messages of failures that tests can inject.
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
    """An injected failure.

    Attributes:
        kind: type of a resource, as `virtualMachines`.
        code: Azure's error code, as `AllocationFailed`.
        method: HTTP method: PUT, GET, DELETE, …
        later: accept the request, and let its operation fail.
        times: number of requests that fail.
    """

    kind: str
    code: str
    method: str = "PUT"
    later: bool = False
    times: int = 1

    def fits(self, kind: str, method: str) -> bool:
        """Return whether this failure applies to a request."""
        return kind.rpartition("/")[2].lower() == self.kind.lower() and method == self.method

    @property
    def refusal(self) -> Refusal:
        """The refusal to answer with."""
        status, message = SAYINGS.get(self.code, (409, f"The operation failed: {self.code}."))
        headers = {"Retry-After": "1"} if status == 429 else {}
        return Refusal(status, self.code, message, headers)
