"""The catalogue as an AsyncAPI 3.0 document: what a service in any language needs to take part."""

from importlib.metadata import version
from typing import Any

import msgspec

from nochat.bus.routing import COMMANDS, EVENTS, REQUESTS
from nochat.events import Command, Envelope, Event, Reply, Request, catalogue, type_of

SCHEMAS = "#/components/schemas/{name}"


def document() -> dict[str, Any]:
    """The AsyncAPI document, ready for JSON (https://www.asyncapi.com/docs/reference)."""
    structs = [struct for struct in catalogue().values() if struct.__module__ == "nochat.events"]
    _, schemas = msgspec.json.schema_components(structs, ref_template=SCHEMAS)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "NoChat",
            "version": version("nochat"),
            "description": "Commands, events, requests and replies of the chat, over RabbitMQ. "
            "The body of an AMQP message is a JSON array of one or more of them.",
        },
        "defaultContentType": "application/json",
        "channels": {type_of(struct): _channel(struct) for struct in structs},
        "operations": {type_of(struct): _operation(struct) for struct in structs},
        "components": {
            "schemas": schemas,
            "messages": {type_of(struct): _message(struct) for struct in structs},
        },
    }


def _message(struct: type[Envelope]) -> dict[str, Any]:
    return {
        "name": type_of(struct),
        "title": struct.__name__,
        "summary": (struct.__doc__ or "").strip(),
        "contentType": "application/json",
        "payload": {"type": "array", "items": {"$ref": SCHEMAS.format(name=struct.__name__)}},
        "correlationId": {"location": "$message.payload#/0/correlation_id"},
    }


def _channel(struct: type[Envelope]) -> dict[str, Any]:
    exchange, key, kind = _place(struct)
    channel: dict[str, Any] = {
        "address": key,
        "messages": {type_of(struct): {"$ref": f"#/components/messages/{type_of(struct)}"}},
    }
    if exchange:
        binding = {"name": exchange, "type": kind, "durable": True}
        channel["bindings"] = {"amqp": {"is": "routingKey", "exchange": binding}}
    return channel


def _place(struct: type[Envelope]) -> tuple[str, str | None, str]:
    """(exchange, routing key, type of the exchange); a reply goes where its request says."""
    if issubclass(struct, Command):
        return COMMANDS, "controller.{shard}", "direct"
    if issubclass(struct, Event):
        return EVENTS, type_of(struct), "topic"
    if issubclass(struct, Request):
        return REQUESTS, struct.service + ("" if struct.ordered else ".requests"), "direct"
    return "", None, ""


def _operation(struct: type[Envelope]) -> dict[str, Any]:
    """What others may do: send commands and requests, receive events and replies."""
    receives = issubclass(struct, Event | Reply)
    return {
        "action": "receive" if receives else "send",
        "channel": {"$ref": f"#/channels/{type_of(struct)}"},
    }
