"""Requests for resources of all types in the stand-in for Azure."""

import copy
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from nochat.lab.azure.stand_in import compute, network, users
from nochat.lab.azure.stand_in.kinds import KINDS, Kind, MachineBackend
from nochat.lab.azure.stand_in.refusal import Refusal
from nochat.lab.azure.stand_in.store import LOCATIONS, PROVIDERS, Operation, Resource, Store, etag

ALWAYS = {"id", "name", "type", "location", "tags", "properties"}


class Resources:
    """Handlers of requests for resources."""

    def __init__(self, store: Store, behind: MachineBackend) -> None:
        self.store, self.behind = store, behind

    async def one(self, request: Request) -> Response:
        """Create, change, show or delete a resource."""
        kind = _kind(request)
        group, name = request.path_params["group"], request.path_params["name"]
        at = self.store.identifier(group, kind.type, name)
        match request.method:
            case "PUT":
                return await self._put(request, kind, at)
            case "PATCH":
                return await self._patch(request, kind, at)
            case "DELETE":
                return self._delete(request, kind, at)
        self.store.group(group)
        resource = self.store.get(at)
        if kind.type == compute.MACHINE:
            wanted = "instanceview" in request.query_params.get("$expand", "").lower()
            return JSONResponse(compute.show(self.store, resource, with_view=wanted))
        return JSONResponse(kind.show(self.store, resource))

    async def all(self, request: Request) -> Response:
        """List the resources of a type, in a group or anywhere."""
        kind, group = _kind(request), request.path_params.get("group", "")
        if group:
            self.store.group(group)
        shown = [kind.show(self.store, resource) for resource in self.store.of(kind.type, group)]
        return JSONResponse({"value": shown})

    async def act(self, request: Request) -> Response:
        """Show the state of a machine, start or stop it; or list a network's subnets."""
        kind, action = _kind(request), request.path_params["action"].lower()
        group, name = request.path_params["group"], request.path_params["name"]
        machine = self.store.get(self.store.identifier(group, kind.type, name))
        if kind.type == users.NETWORK and action == "subnets":
            shown = users.show(self.store, machine)["properties"]["subnets"]
            return JSONResponse({"value": shown})
        if kind.type != compute.MACHINE:
            raise Refusal(404, "NotFound", f"The stand-in knows no {action} of {kind.type}.")
        if action == "instanceview" and request.method == "GET":
            return JSONResponse(compute.view(machine))
        powers = {"start": "running", "poweroff": "stopped", "deallocate": "deallocated"}
        if action not in powers or request.method != "POST":
            raise Refusal(404, "NotFound", f"The stand-in knows no {action} of {kind.type}.")

        async def switch() -> None:
            await self.behind.switch(machine, on=action == "start")

        operation = self.store.begin(
            switch, lambda: machine.update(_power=powers[action]), lambda: None
        )
        return self._accepted(request, operation)

    async def subnet(self, request: Request) -> Response:
        """Show or create a subnet of a network."""
        kind, group = _kind(request), request.path_params["group"]
        at = self.store.identifier(group, kind.type, request.path_params["name"])
        if request.method == "PUT":
            return await self._put_subnet(request, at)
        shown = users.show(self.store, self.store.get(at))["properties"].get("subnets", [])
        for subnet in shown:
            if subnet["name"].lower() == request.path_params["child"].lower():
                return JSONResponse(subnet)
        raise Refusal(404, "NotFound", f"Resource {request.path_params['child']} not found.")

    async def _put_subnet(self, request: Request, at: str) -> Response:
        self.store.group(request.path_params["group"], to_write=True)
        parent, name = self.store.get(at), request.path_params["child"]
        known = {subnet["name"].lower() for subnet in parent["properties"]["subnets"]}
        try:
            made = network.put_subnet(parent, name, await read(request))
        except (KeyError, TypeError, AttributeError) as error:
            message = f"Required parameter {error} is missing (null)."
            raise Refusal(400, "InvalidParameter", message) from error
        made["properties"]["provisioningState"] = "Updating"

        async def work() -> None:
            """Do nothing: a subnet has no real counterpart."""

        operation = self.store.begin(
            work,
            lambda: made["properties"].update(provisioningState="Succeeded"),
            lambda: made["properties"].update(provisioningState="Failed"),
        )
        headers = self._headers(request, operation)
        headers.pop("Location")
        return JSONResponse(made, 200 if name.lower() in known else 201, headers)

    async def _put(self, request: Request, kind: Kind, at: str) -> Response:
        group = self.store.group(request.path_params["group"], to_write=True)
        body = await read(request)
        if body.get("location", "").replace(" ", "").lower() not in LOCATIONS:
            raise Refusal(
                400,
                "LocationNotAvailableForResourceType",
                f"The provided location '{body.get('location', '')}' is not available for resource "
                f"type '{kind.type}'. List of available regions for the resource type is "
                f"'{','.join(LOCATIONS)}'.",
            )
        known = self.store.resources.get(at.lower())
        if known and known["location"] != body["location"]:
            raise Refusal(
                409,
                "InvalidResourceLocation",
                f"The resource '{known['name']}' already exists in location '{known['location']}' "
                f"in resource group '{group['name']}'. A resource with the same name cannot be "
                f"created in location '{body['location']}'.",
            )
        resource = {key: value for key, value in body.items() if key in ALWAYS | kind.fields}
        resource.update(id=at, name=request.path_params["name"], type=kind.type)
        resource.setdefault("properties", {})
        try:
            kind.fill(self.store, resource, copy.deepcopy(known))
        except (KeyError, TypeError, AttributeError) as error:
            message = f"Required parameter {error} is missing (null)."
            raise Refusal(400, "InvalidParameter", message) from error
        if kind.type.startswith("Microsoft.Network/"):
            resource["etag"] = etag()
        self.store.resources[at.lower()] = resource
        properties = resource["properties"]
        if known and "_power" in known:
            resource["_power"] = known["_power"]

        def done() -> None:
            properties["provisioningState"] = "Succeeded"
            if kind.type == compute.MACHINE:
                resource.setdefault("_power", "running")

        if not kind.takes_time:
            done()
            return JSONResponse(kind.show(self.store, resource), 200 if known else 201)
        properties["provisioningState"] = "Updating" if known else "Creating"

        async def work() -> None:
            if kind.type == compute.MACHINE and not known:
                await self.behind.make(resource)
            if kind.type == users.RULES and known:
                await self.behind.enforce()

        operation = self.store.begin(
            work,
            done,
            lambda: properties.update(provisioningState="Failed"),
            self.store.fail(kind.type, "PUT", later=True),
        )
        headers = self._headers(request, operation)
        headers.pop("Location")
        return JSONResponse(kind.show(self.store, resource), 200 if known else 201, headers)

    async def _patch(self, request: Request, kind: Kind, at: str) -> Response:
        resource, body = self.store.get(at), await read(request)
        if body.keys() - {"tags"}:
            raise Refusal(501, "NotImplemented", "The stand-in changes nothing but tags.")
        resource["tags"] = body.get("tags", {})
        return JSONResponse(kind.show(self.store, resource))

    def _delete(self, request: Request, kind: Kind, at: str) -> Response:
        self.store.group(request.path_params["group"])
        resource = self.store.resources.get(at.lower())
        if resource is None:
            return Response(status_code=204)
        kind.check_delete(self.store, resource)
        if not kind.takes_time:
            del self.store.resources[at.lower()]
            return Response(status_code=200)
        properties = resource["properties"]
        properties["provisioningState"] = "Deleting"

        async def work() -> None:
            if kind.type == compute.MACHINE:
                await self.behind.delete(resource)

        def done() -> None:
            if kind.type == compute.MACHINE:
                compute.delete_machine(self.store, resource)
            self.store.resources.pop(at.lower(), None)

        operation = self.store.begin(
            work,
            done,
            lambda: properties.update(provisioningState="Failed"),
            self.store.fail(kind.type, "DELETE", later=True),
        )
        return self._accepted(request, operation)

    async def delete_group(self, request: Request, group: Resource) -> Response:
        """Delete a group with all its resources."""
        group["properties"]["provisioningState"] = "Deleting"

        async def work() -> None:
            for machine in self.store.of(compute.MACHINE, group["name"]):
                await self.behind.delete(machine)

        def done() -> None:
            for resource in list(self.store.of("", group["name"])):
                self.store.resources.pop(resource["id"].lower(), None)
            del self.store.groups[group["name"].lower()]

        operation = self.store.begin(
            work, done, lambda: group["properties"].update(provisioningState="Succeeded")
        )
        return self._accepted(request, operation)

    def _accepted(self, request: Request, operation: Operation) -> Response:
        return Response(status_code=202, headers=self._headers(request, operation))

    def _headers(self, request: Request, operation: Operation) -> dict[str, str]:
        base = f"{str(request.base_url).rstrip('/')}/subscriptions/{self.store.subscription}"
        version = request.query_params["api-version"]
        where = f"{base}/providers/Microsoft.Resources/locations/here"
        return {
            "Azure-AsyncOperation": f"{where}/operations/{operation.id}?api-version={version}",
            "Location": f"{where}/operationResults/{operation.id}?api-version={version}",
            "Retry-After": "1",
        }


async def read(request: Request) -> dict[str, Any]:
    """Parse the JSON object in a request's body.

    Raises:
        Refusal: the body is not a JSON object.
    """
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refusal(
            400, "InvalidRequestContent", "The request content was invalid and no JSON object."
        )
    return body


def type_of(request: Request) -> str:
    """Return the resource type in a request's path, or an empty string."""
    params = request.path_params
    return (
        f"{params['namespace']}/{params['type']}" if {"namespace", "type"} <= params.keys() else ""
    )


def _kind(request: Request) -> Kind:
    wanted = type_of(request)
    namespace = request.path_params["namespace"]
    if namespace.lower() not in PROVIDERS:
        raise Refusal(
            404, "InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid."
        )
    kind = KINDS.get(wanted.lower())
    if kind is None:
        raise Refusal(
            404,
            "InvalidResourceType",
            f"The resource type '{wanted}' could not be found in the stand-in.",
        )
    return kind


def listed(resources: Iterator[Resource]) -> list[Resource]:
    """Return resources with the fields that a list of all types shows."""
    keys = ("id", "name", "type", "location", "tags", "sku", "managedBy")
    return [{key: resource[key] for key in keys if key in resource} for resource in resources]
