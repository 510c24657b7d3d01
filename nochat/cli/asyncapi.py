"""The catalogue as an AsyncAPI 3.0 document, for services in any language."""

from collections.abc import Iterable
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
from nochat.protocol.requests import Failed, Reply, Request, reply_of
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
  `client_id`: make the `client_id` from what you answer, so that you may send it again. What does
  not match its schema is confirmed all the same, and becomes a dead letter; with `reply_to` set as
  for requests, `failed` tells you so.
- **Events** say what happened. Their `type` is the routing key in the topic exchange `{EVENTS}`.
- **Requests** ask one service: publish to `{REQUESTS}`, not persistent, mandatory, with an
  `expires` (seconds since 1970), after which nobody answers it; where the routing key has a dot,
  as in `activity.requests`, with the same as AMQP's `expiration`, too. With `reply_to` set to
  `{REPLY_TO}`, consume that name (without acknowledgement) on the same channel before you ask: the
  reply comes there. Its `in_reply_to` is the request's `id`, and the operation of the request names
  its type. Instead of it, `failed` may come; where its `retry` is true, ask again later. Where your
  body can't be read, its `in_reply_to` is the `message_id` that you gave.
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


def ours() -> list[type[Envelope]]:
    """List the structs of the chat, without those of other services."""
    return [struct for struct in catalogue().values() if struct.__module__ in MODULES]


def document(
    shards: int = Settings().shards, structs: Iterable[type[Envelope]] | None = None
) -> dict[str, Any]:
    """Build the AsyncAPI document, ready for JSON (https://www.asyncapi.com/docs/reference).

    Args:
        shards: queues that the rooms are spread over, as in the settings.
        structs: the structs to describe; None: those of the chat.
    """
    structs = ours() if structs is None else list(structs)
    payloads, schemas = msgspec.json.schema_components(structs, ref_template=SCHEMAS)
    messages = zip(structs, payloads, strict=True)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "NoChat",
            "version": __version__,
            "description": _description(shards),
        },
        "defaultContentType": "application/json",
        "channels": {type_of(struct): _channel(struct, structs, shards) for struct in structs},
        "operations": {type_of(struct): _operation(struct) for struct in structs},
        "components": {
            "schemas": schemas | {"Code": reasons.schema()},
            "messages": {
                type_of(struct): _message(struct, payload) for struct, payload in messages
            },
        },
    }


def _description(shards: int) -> str:
    exchanges = ", ".join(f"`{name}` ({kind})" for name, kind in EXCHANGES.items())
    given = msgspec.json.encode(arguments(Queue("yours"))).decode()
    return DESCRIPTION.format(exchanges=exchanges, shards=shards, arguments=given)


def _message(struct: type[Envelope], payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": type_of(struct),
        "title": struct.__name__,
        "summary": (struct.__doc__ or "").strip(),
        "contentType": "application/json",
        "payload": {"type": "array", "items": payload},
        "correlationId": {"location": "$message.payload#/0/correlation_id"},
        "bindings": {"amqp": {"messageType": type_of(struct)}},
    }


def _channel(
    struct: type[Envelope], structs: Iterable[type[Envelope]], shards: int
) -> dict[str, Any]:
    if issubclass(struct, Reply):
        return _reply_channel(struct, structs)
    channel: dict[str, Any] = {"messages": _references(struct)}
    exchange, key = _place(struct)
    binding = {"name": exchange, "type": EXCHANGES[exchange], "durable": True}
    channel |= {"address": key}
    channel["bindings"] = {"amqp": {"is": "routingKey", "exchange": binding}}
    if issubclass(struct, Command):
        known = [str(shard) for shard in range(shards)]
        how = "CRC-32 of the room's id in UTF-8, modulo NOCHAT_SHARDS"
        channel["parameters"] = {"shard": {"description": how, "enum": known}}
    return channel


def _reply_channel(struct: type[Reply], structs: Iterable[type[Envelope]]) -> dict[str, Any]:
    """Describe the messages that may answer requests with this reply."""
    requests = [
        request
        for request in structs
        if issubclass(request, Request) and reply_of(request) is struct
    ]
    answered = ", ".join(f"`{type_of(request)}`" for request in requests)
    if struct is Failed:
        answered = "a request that can't be met, and what does not match its schema"
    return {
        "address": None,  # the request names it
        "description": f"Answers {answered}.",
        "messages": _references(struct, Failed),
    }


def _references(*structs: type[Envelope]) -> dict[str, Any]:
    names = [type_of(struct) for struct in structs]
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}


def _place(struct: type[Envelope]) -> tuple[str, str]:
    """Return (exchange, routing key)."""
    if issubclass(struct, Command):
        return COMMANDS, "controller.{shard}"
    if issubclass(struct, Request):
        return REQUESTS, struct.service + ("" if struct.ordered else f".{struct.lane}")
    return EVENTS, type_of(struct)


def _operation(struct: type[Envelope]) -> dict[str, Any]:
    """Describe what other services may send (commands, requests, reports) or receive."""
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
        operation["reply"] = {"address": address} | _answers(reply_of(struct))
    return operation


def _answers(reply: type[Reply]) -> dict[str, Any]:
    if reply is Reply:  # the request does not name it
        return {}
    channel = f"#/channels/{type_of(reply)}"
    names = type_of(reply), type_of(Failed)
    messages = [{"$ref": f"{channel}/messages/{name}"} for name in names]
    return {"channel": {"$ref": channel}, "messages": messages}
