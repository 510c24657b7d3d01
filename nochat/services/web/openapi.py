"""The REST calls as an OpenAPI 3.1 document, for authors of other clients."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from nochat.protocol import reasons
from nochat.protocol.payloads import COOKIE
from nochat.runtime.origin import HOST_ONLY
from nochat.services.web.rest import Call, Error

NAMES = (
    f"At a port other than 80 and 443 its name has the port: {COOKIE}_8000. By https it begins "
    f"with {HOST_ONLY}."
)
TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "description": "Users make tokens for their own programs in the settings of the page.",
}
REFERENCES = "#/components/schemas/{name}"


def document(calls: Sequence[Call]) -> dict[str, Any]:
    """Build the document, ready for JSON."""
    shapes = [Error, *(shape for call in calls for shape in (call.takes, call.gives))]
    _, components = msgspec.json.schema_components(shapes, ref_template=REFERENCES)
    paths: dict[str, dict[str, Any]] = {}
    for call in calls:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call)
    cookie = {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": NAMES}
    return {
        "openapi": "3.1.0",
        "info": {"title": "NoChat", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": components | {"Code": reasons.schema()},
            "securitySchemes": {"session": cookie, "token": TOKEN},
        },
    }


def _operation(call: Call) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": (call.act.__doc__ or "").splitlines()[0],
        "parameters": [_path_parameter(name) for name in re.findall(r"{(\w+)}", call.path)],
        "responses": {"200": _response("It is done.", call.gives)} | _refusals(call),
    }
    if call.method == "GET":
        operation["parameters"] += _query(call.takes)
    else:
        body = {"schema": _reference(call.takes)}
        operation["requestBody"] = {"required": True, "content": {"application/json": body}}
    if call.needs != "anybody":
        operation["security"] = [{"token" if call.needs == "token" else "session": []}]
    return operation


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query(shape: type[Any]) -> list[dict[str, Any]]:
    _, components = msgspec.json.schema_components([shape], ref_template=REFERENCES)
    properties = components[shape.__name__]["properties"]
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]


def _refusals(call: Call) -> dict[str, Any]:
    statuses = {422, 429, 503, *call.refuses}
    if call.method == "POST":
        statuses |= {400, 403, 413, 415}
    if call.needs != "anybody":
        statuses |= {401}
    if call.needs == "manager":
        statuses |= {403}
    return {str(status): _response(HTTPStatus(status).phrase, Error) for status in sorted(statuses)}


def _response(description: str, shape: type[Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": _reference(shape)}}
    return {"description": description, "content": content}


def _reference(shape: type[Any]) -> dict[str, str]:
    return {"$ref": REFERENCES.format(name=shape.__name__)}
