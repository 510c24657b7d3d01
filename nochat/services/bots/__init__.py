"""Bots: a microservice in Node.js, which shares only RabbitMQ with the others."""

import os
from pathlib import Path
from typing import NoReturn

from nochat.errors import NochatError
from nochat.local import doctor
from nochat.settings import Settings

PROGRAM = Path(__file__).parent / "bot.mjs"
ITS_SETTINGS = (
    *("bus_url", "shards", "bot_name", "patience", "log_level"),
    *("operation_host", "operation_port"),
)


def run(settings: Settings) -> NoReturn:
    """Replace this process by the bot, which runs in Node.js.

    Raises:
        NochatError: the bus is not RabbitMQ.
        Missing: Node.js or amqplib is not installed.
    """
    if settings.is_bus_local:
        raise NochatError(
            "the bot is not written in Python, so the bus of one process can't reach it; "
            "set NOCHAT_BUS_URL=amqp://… (RabbitMQ)"
        )
    doctor.require("amqplib")
    node = doctor.require("node")
    values = {f"NOCHAT_{name.upper()}": getattr(settings, name) for name in ITS_SETTINGS}
    given = {name: str(value) for name, value in values.items() if value is not None}
    os.execve(node, [str(node), str(PROGRAM)], os.environ | given)  # noqa: S606
