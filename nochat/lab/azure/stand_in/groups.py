"""The subscription in the stand-in for Azure: its groups, providers, sizes, quotas and images."""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from nochat.lab.azure.stand_in import catalogue, compute, network, users
from nochat.lab.azure.stand_in.kinds import KINDS
from nochat.lab.azure.stand_in.refusal import Refusal
from nochat.lab.azure.stand_in.resources import Resources, listed, read
from nochat.lab.azure.stand_in.store import LOCATIONS, PROVIDERS, Resource, Store

GROUP_TYPE = "Microsoft.Resources/resourceGroups"
TAG_NAME = re.compile(r"tagName eq '([^']*)'", re.I)
TAG_VALUE = re.compile(r"tagValue eq '([^']*)'", re.I)


class Groups:
    """Handlers of requests for the subscription and its groups."""

    def __init__(self, store: Store, resources: Resources) -> None:
        self.store, self.resources = store, resources

    async def subscription(self, _: Request) -> Response:
        """Show the subscription."""
        number = self.store.subscription
        return JSONResponse(
            {
                "id": f"/subscriptions/{number}",
                "subscriptionId": number,
                "displayName": "stand-in",
                "state": "Enabled",
                "subscriptionPolicies": {"spendingLimit": "On"},
            }
        )

    async def providers(self, request: Request) -> Response:
        """Show a resource provider, or register it."""
        namespace = request.path_params["namespace"].lower()
        if namespace not in PROVIDERS:
            raise Refusal(
                404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid."
            )
        if request.method == "POST":
            self.store.registered.add(namespace)
        types = [kind.type for kind in KINDS.values() if kind.type.lower().startswith(namespace)]
        known = namespace in self.store.registered
        return JSONResponse(
            {
                "id": f"/subscriptions/{self.store.subscription}/providers/{PROVIDERS[namespace]}",
                "namespace": PROVIDERS[namespace],
                "registrationState": "Registered" if known else "NotRegistered",
                "registrationPolicy": "RegistrationRequired",
                "resourceTypes": [
                    {"resourceType": kind.partition("/")[2], "locations": list(LOCATIONS)}
                    for kind in types
                ],
            }
        )

    async def groups(self, request: Request) -> Response:
        """List the groups."""
        fitting = [group for group in self.store.groups.values() if _fits(group, request)]
        return JSONResponse({"value": fitting})

    async def group(self, request: Request) -> Response:
        """Create, show or delete a group."""
        name = request.path_params["group"]
        known = self.store.groups.get(name.lower())
        match request.method:
            case "PUT":
                return JSONResponse(self._make(name, await read(request)), 200 if known else 201)
            case "HEAD":
                return Response(status_code=204 if known else 404)
            case "DELETE":
                group = self.store.group(name, to_write=True)
                return await self.resources.delete_group(request, group)
        return JSONResponse(self.store.group(name))

    def _make(self, name: str, body: dict[str, Any]) -> Resource:
        location = body.get("location", "")
        if location not in LOCATIONS:
            raise Refusal(
                400,
                "LocationNotAvailableForResourceGroup",
                f"The provided location '{location}' is not available for resource group. List of "
                f"available regions is '{','.join(LOCATIONS)}'.",
            )
        if known := self.store.groups.get(name.lower()):
            self.store.group(name, to_write=True)
            if known["location"] != location:
                raise Refusal(
                    409,
                    "InvalidResourceGroupLocation",
                    f"Invalid resource group location '{location}'. The Resource group already "
                    f"exists in location '{known['location']}'.",
                )
            known["tags"] = body.get("tags", {})
            return known
        made = {
            "id": f"/subscriptions/{self.store.subscription}/resourceGroups/{name}",
            "name": name,
            "type": GROUP_TYPE,
            "location": location,
            "tags": body.get("tags", {}),
            "properties": {"provisioningState": "Succeeded"},
        }
        self.store.groups[name.lower()] = made
        return made

    async def all_resources(self, request: Request) -> Response:
        """List resources of all types."""
        group = request.path_params.get("group", "")
        if group:
            self.store.group(group)
        fitting = (resource for resource in self.store.of("", group) if _fits(resource, request))
        return JSONResponse({"value": listed(fitting)})

    async def operation(self, request: Request) -> Response:
        """Return the status of an operation."""
        operation = self.store.operations.get(request.path_params["operation"])
        if operation is None:
            raise Refusal(404, "NotFound", "There is no such operation.")
        if request.path_params["what"].lower() == "operationresults":
            if operation.status == "InProgress":
                headers = {"Location": str(request.url), "Retry-After": "1"}
                return Response(status_code=202, headers=headers)
            if operation.error:
                raise operation.error
            return Response(status_code=204)
        answer: dict[str, Any] = {"name": operation.id, "status": operation.status}
        if operation.error:
            answer |= operation.error.body
        headers = {"Retry-After": "1"} if operation.status == "InProgress" else {}
        return JSONResponse(answer, headers=headers)

    async def sizes(self, request: Request) -> Response:
        """List the sizes of a region."""
        match = re.search(r"location eq '([^']*)'", request.query_params.get("$filter", ""))
        location = match[1] if match else LOCATIONS[0]
        return JSONResponse({"value": catalogue.skus(location)})

    async def sizes_by_name(self, request: Request) -> Response:
        """List the sizes of a region in the older form, without restrictions."""
        return JSONResponse({"value": catalogue.sizes(_location(request))})

    async def usages(self, request: Request) -> Response:
        """List the quotas of a region."""
        location = _location(request)
        if request.path_params["namespace"].lower() == "microsoft.compute":
            return JSONResponse({"value": compute.usages(self.store, location)})
        kinds = {"NetworkSecurityGroups": users.RULES, "PublicIPAddresses": users.ADDRESS}
        return JSONResponse(
            {
                "value": [
                    {
                        "id": f"/subscriptions/{self.store.subscription}/providers/"
                        f"Microsoft.Network/locations/{location}/usages/{name}",
                        "unit": "Count",
                        "currentValue": sum(1 for _ in self.store.of(kind)),
                        "limit": 1000,
                        "name": {"value": name, "localizedValue": name},
                    }
                    for name, kind in kinds.items()
                ]
            }
        )

    async def dns_name(self, request: Request) -> Response:
        """Return whether a DNS name for an address is available."""
        _location(request)
        label = request.query_params.get("domainNameLabel", "")
        if not re.fullmatch(r"[a-z][a-z0-9-]{1,61}[a-z0-9]", label):
            raise Refusal(
                400,
                "InvalidDomainNameLabel",
                f"The domain name label {label} is invalid. It must conform to the following "
                "regular expression: ^[a-z][a-z0-9-]{1,61}[a-z0-9]$.",
            )
        return JSONResponse({"available": not network.is_taken(self.store, label)})

    async def images(self, request: Request) -> Response:
        """List the versions of an image."""
        names = [request.path_params[key] for key in ("publisher", "offer", "sku")]
        location, versions = _location(request), catalogue.versions(*names)
        if not versions:
            raise Refusal(404, "NotFound", "Artifact: VMImage was not found.")
        path = request.url.path
        return JSONResponse(
            [
                {"id": f"{path}/{version}", "name": version, "location": location}
                for version in versions
            ]
        )


def _fits(resource: Resource, request: Request) -> bool:
    """Return whether a resource matches a request's filter."""
    said = request.query_params.get("$filter", "")
    tags = resource.get("tags") or {}
    name, value = TAG_NAME.search(said), TAG_VALUE.search(said)
    if name and name[1] not in tags:
        return False
    return not (name and value) or tags[name[1]] == value[1]


def _location(request: Request) -> str:
    location = str(request.path_params["location"])
    if location not in LOCATIONS:
        raise Refusal(
            400,
            "NoRegisteredProviderFound",
            f"No registered resource provider found for location '{location}' and API version "
            f"'{request.query_params['api-version']}'.",
        )
    return location
