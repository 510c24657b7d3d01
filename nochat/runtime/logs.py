"""Structured logs: one JSON object per line, on standard error."""

import logging
from contextvars import ContextVar
from typing import Any

import msgspec

from nochat.protocol.envelope import correlation

# The service of the current handler.
service_name: ContextVar[str] = ContextVar("service_name", default="")

# Attributes of every record; others come from the caller or from `Origin`.
USUAL = {*vars(logging.makeLogRecord({})), "message", "asctime"}

# The chat's libraries, which log nothing below a warning: httpx would log URLs, and logz.io's
# contains the token.
LIBRARIES = (
    "aiofastnet",
    "alembic",
    "anyio",
    "asyncio",
    "azure",
    "concurrent",
    "dns",
    "engineio",
    "httpcore",
    "httpx",
    "mako",
    "neosqlite",
    "nx_27017",
    "picows",
    "pika",
    "pymongo",
    "pymysql",
    "simple_websocket",
    "socketio",
    "sqlalchemy",
    "urllib3",
    "uvicorn",
    "uvloop",
    "websockets",
)
SILENT = ("engineio.quiet", "httpcore", "httpx", "pika", "socketio.quiet")


class JsonFormatter(logging.Formatter):
    """A formatter for JSON: time (seconds since 1970), level, logger, message and fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as one line."""
        entry: dict[str, Any] = {
            "at": record.created,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        given = vars(record).items()
        entry |= {name: value for name, value in given if name not in USUAL and name not in entry}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(entry, enc_hook=str).decode()


class Origin(logging.Filter):
    """A filter that adds the service and the correlation id to a handler's records."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the fields, and accept every record."""
        for name, value in (("service", service_name.get()), ("correlation_id", correlation())):
            if value:
                vars(record).setdefault(name, value)
        return True


def configure(level: str) -> None:
    """Log to standard error from a level on, including the user's own modules.

    The chat's libraries log only warnings, some of them only critical records.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    handler.addFilter(Origin())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for names, least in ((LIBRARIES, logging.WARNING), (SILENT, logging.CRITICAL)):
        for name in names:
            logging.getLogger(name).setLevel(least)
