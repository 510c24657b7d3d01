"""Connections to RabbitMQ: errors quote the broker's own reason for a refusal."""

import asyncio
import re
from ast import literal_eval
from typing import Any
from urllib.parse import urlsplit

import pika
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.exceptions import (
    ConnectionClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

from nochat.errors import BrokerDown, BusError

# The form in which pika's other errors quote the broker's reason for closing a connection.
CLOSED = re.compile(r"ConnectionClosedByBroker: \((\d+)\) (.*)", re.DOTALL)


def parse_url(url: str, app_id: str) -> pika.URLParameters:
    """Parse an `amqp://` URL.

    Args:
        url: `amqp://user:password@host:port/vhost`.
        app_id: the connection's name in RabbitMQ's tools.

    Raises:
        BusError: the URL is invalid.
    """
    try:
        parameters = pika.URLParameters(url)
    except (ValueError, TypeError) as error:
        raise BusError(
            f"not a RabbitMQ URL (amqp://user:password@host:port/vhost): {error}"
        ) from None
    if "heartbeat" not in urlsplit(url).query:
        parameters.heartbeat = 30
    parameters.client_properties = {"connection_name": app_id}
    return parameters


async def open_connection(parameters: pika.URLParameters, address: str) -> AsyncioConnection:
    """Open a connection.

    Args:
        parameters: the broker's address and the credentials.
        address: the broker's name in error messages.

    Raises:
        BusError: the broker refuses, with its reply code and text.
        BrokerDown: it does not answer.
    """
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[AsyncioConnection] = loop.create_future()
    connection = AsyncioConnection(
        parameters,
        on_open_callback=opened.set_result,
        on_open_error_callback=lambda _, error: opened.set_exception(_explain(error, address)),
        custom_ioloop=loop,
    )
    try:
        return await opened
    except asyncio.CancelledError:
        connection.close()
        raise


def _explain(error: Any, address: str) -> BusError:
    cause = _root(error)
    if isinstance(cause, ProbableAuthenticationError):
        return BusError(
            f"RabbitMQ at {address} refused the user or password ({broker_said(cause)}); "
            "check NOCHAT_BUS_URL"
        )
    if isinstance(cause, ProbableAccessDeniedError):
        said = broker_said(cause)
        # Waiting helps against a limit: other connections may close.
        return (BrokerDown if "limit" in said else BusError)(refusal(address, said))
    return BrokerDown(
        f"RabbitMQ at {address} does not answer ({cause}); is it running? "
        "`nochat doctor` says how to install it, NOCHAT_BUS_URL where it is"
    )


def refusal(address: str, said: str) -> str:
    """Return an error message that quotes the broker's refusal and says what to do."""
    advice = (
        "`rabbitmqctl` set_vhost_limits and set_user_limits raise it"
        if "limit" in said
        else "NOCHAT_BUS_URL names the virtual host and the user, `rabbitmqctl set_permissions` "
        "lets them in"
    )
    return f"RabbitMQ at {address} refused: {said}; {advice}"


def broker_said(error: Exception) -> str:
    """Return the broker's reply code and text."""
    if isinstance(error, ConnectionClosedByBroker):
        return f"{error.reply_code} {error.reply_text}"
    if closed := CLOSED.fullmatch(str(next(iter(error.args), ""))):
        return f"{closed[1]} {literal_eval(closed[2])}"
    return str(error)


def _root(error: Any) -> Any:
    """Return the root cause inside the errors that pika's connection workflow wraps around it."""
    if getattr(error, "exceptions", None):
        return _root(error.exceptions[-1])
    if isinstance(inner := getattr(error, "exception", None), BaseException):
        return _root(inner)
    if error.args and isinstance(error.args[0], BaseException):
        return _root(error.args[0])
    return error
