"""The catalogue as an AsyncAPI 3.0 document: what a service in any language needs to take part."""

from typing import Any

import msgspec

from nochat import __version__
from nochat.bus.amqp import arguments
from nochat.bus.amqp_link import REPLY_TO
from nochat.bus.routing import COMMANDS, DEAD, EVENTS, EXCHANGES, REQUESTS, Queue
from nochat.protocol import reasons
from nochat.protocol.catalogue import catalogue
from nochat.protocol.commands import Command
from nochat.protocol.envelope import Envelope, type_of
from nochat.protocol.events import Event, ServiceReported
from nochat.protocol.requests import Reply, Request
from nochat.settings import Settings

SCHEMAS = "#/components/schemas/{name}"
MODULES = tuple(f"nochat.protocol.{name}" for name in ("commands", "events", "requests"))

DESCRIPTION = f"""\
Commands, events, requests and replies of the chat, over RabbitMQ (AMQP 0-9-1).

- **Body.** A JSON array of one or more messages, in order; you may always send just one. Each is an
  object with its `type`. Ignore fields that you do not know.
- **Fields of all.** `id` is 32 random hexadecimal digits. `correlation_id` is the id of all that
  one action of a user caused: copy it from the event that you react to. `at` is in seconds since
  1970, with decimals.
- **Properties.** Send `content_type` `application/json`, and repeat the message's fields as
  `message_id`, `correlation_id`, `type` and `timestamp` (whole seconds); `app_id` is your service's
  name. Do not rely on them when you receive: a body of several messages has none.
- **Exchanges**, all durable: {{exchanges}}.
- **Commands** change a room. Publish them persistent and mandatory to `{COMMANDS}`, with the
  routing key `controller.{{{{shard}}}}`, where shard is the CRC-32 (as in zlib) of the room's id in
  UTF-8, modulo the setting `NOCHAT_SHARDS` (here {{shards}}). What a user may not do is answered by
  the event `command.rejected`. A `message.send` is stored once for each room, sender and
  `client_id`: make the `client_id` from what you answer, so that you may send it again.
- **Events** say what happened. Their `type` is the routing key in the topic exchange `{EVENTS}`.
- **Requests** ask one service: publish to `{REQUESTS}`, not persistent, mandatory, with an
  `expires` (seconds since 1970), after which nobody answers it; where the routing key has a dot,
  as in `activity.requests`, with the same as AMQP's `expiration`, too. With `reply_to` set to
  `{REPLY_TO}`, consume that name (without acknowledgement) on the same channel before you ask: the
  reply comes there. Its `in_reply_to` is the request's `id`.
  Instead of the reply that you want, `failed` may come; where its `retry` is true, ask again later.
- **Codes.** What says no (`failed`, `command.rejected`) has a `code`, stable, with its `params`: go
  by it. The `reason` beside it is a sentence in English. The schema `Code` lists the codes; there
  may be more of them tomorrow.
- **Confirms.** Put your channel into confirm mode. A message is safe when the broker has confirmed
  it; what it returns, no queue takes, although a confirm follows.
- **Your queue.** Declare one of your own, durable, with the arguments
  `{{arguments}}`, and bind it to `{EVENTS}` by the types that you want. Acknowledge a message when
  all that it caused is confirmed. It may be delivered twice, so do nothing that must not be done
  twice.
- **Dead letters.** Reject what you can't read (`basic.nack` without requeue): it goes to the
  exchange `{DEAD}`, and waits for somebody to look at it.
"""


def document(shards: int = Settings().shards) -> dict[str, Any]:
    """The AsyncAPI document, ready for JSON (https://www.asyncapi.com/docs/reference).

    Args:
        shards: queues that the rooms are spread over, as in the settings.
    """
    structs = [struct for struct in catalogue().values() if struct.__module__ in MODULES]
    _, schemas = msgspec.json.schema_components(structs, ref_template=SCHEMAS)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "NoChat",
            "version": __version__,
            "description": _description(shards),
        },
        "defaultContentType": "application/json",
        "channels": {type_of(struct): _channel(struct, shards) for struct in structs},
        "operations": {type_of(struct): _operation(struct) for struct in structs},
        "components": {
            "schemas": schemas | {"Code": reasons.schema()},
            "messages": {type_of(struct): _message(struct) for struct in structs},
        },
    }


def _description(shards: int) -> str:
    exchanges = ", ".join(f"`{name}` ({kind})" for name, kind in EXCHANGES.items())
    given = msgspec.json.encode(arguments(Queue("yours"))).decode()
    return DESCRIPTION.format(exchanges=exchanges, shards=shards, arguments=given)


def _message(struct: type[Envelope]) -> dict[str, Any]:
    return {
        "name": type_of(struct),
        "title": struct.__name__,
        "summary": (struct.__doc__ or "").strip(),
        "contentType": "application/json",
        "payload": {"type": "array", "items": {"$ref": SCHEMAS.format(name=struct.__name__)}},
        "correlationId": {"location": "$message.payload#/0/correlation_id"},
        "bindings": {"amqp": {"messageType": type_of(struct)}},
    }


def _channel(struct: type[Envelope], shards: int) -> dict[str, Any]:
    channel: dict[str, Any] = {
        "address": None,  # a reply goes where its request says
        "messages": {type_of(struct): {"$ref": f"#/components/messages/{type_of(struct)}"}},
    }
    if issubclass(struct, Reply):
        return channel
    exchange, key = _place(struct)
    binding = {"name": exchange, "type": EXCHANGES[exchange], "durable": True}
    channel |= {"address": key}
    channel["bindings"] = {"amqp": {"is": "routingKey", "exchange": binding}}
    if issubclass(struct, Command):
        known = [str(shard) for shard in range(shards)]
        how = "CRC-32 of the room's id in UTF-8, modulo NOCHAT_SHARDS"
        channel["parameters"] = {"shard": {"description": how, "enum": known}}
    return channel


def _place(struct: type[Envelope]) -> tuple[str, str]:
    """(exchange, routing key)."""
    if issubclass(struct, Command):
        return COMMANDS, "controller.{shard}"
    if issubclass(struct, Request):
        return REQUESTS, struct.service + ("" if struct.ordered else f".{struct.lane}")
    return EVENTS, type_of(struct)


def _operation(struct: type[Envelope]) -> dict[str, Any]:
    """What others may do: send commands, requests and reports, receive events and replies."""
    reports = struct is ServiceReported  # every service does
    receives = issubclass(struct, Event | Reply) and not reports
    operation: dict[str, Any] = {
        "action": "receive" if receives else "send",
        "channel": {"$ref": f"#/channels/{type_of(struct)}"},
    }
    if issubclass(struct, Command):
        operation["bindings"] = {"amqp": {"deliveryMode": 2, "mandatory": True}}
    elif reports:
        operation["bindings"] = {"amqp": {"deliveryMode": 1, "mandatory": False}}
    elif issubclass(struct, Request):
        operation["bindings"] = {"amqp": {"deliveryMode": 1, "mandatory": True}}
        where = f"the property reply_to of the request; {REPLY_TO} is best"
        address = {"location": "$message.header#/reply_to", "description": where}
        operation["reply"] = {"address": address}
    return operation
