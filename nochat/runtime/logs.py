"""Structured logs: one JSON object a line, on standard error."""

import logging
from contextvars import ContextVar
from typing import Any

import msgspec

from nochat.protocol.envelope import correlation

# The service whose handler runs here.
service_name: ContextVar[str] = ContextVar("service_name", default="")

EXTRA = ("service", "step", "type", "event_id", "correlation_id")


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON: time (seconds since 1970), level, logger, message and fields."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        entry: dict[str, Any] = {
            "at": record.created,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {name: vars(record)[name] for name in EXTRA if name in vars(record)}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(entry).decode()


class Origin(logging.Filter):
    """Adds to what is logged inside a handler, by any library, whose it is and what caused it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        for name, value in (("service", service_name.get()), ("correlation_id", correlation())):
            if value:
                vars(record).setdefault(name, value)
        return True


def configure(level: str) -> None:
    """Log to standard error from this level on; of the libraries only what is critical."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    handler.addFilter(Origin())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("nochat").setLevel(level.upper())
    # httpx would log addresses, and logz.io's has the token.
    for name in ("pika", "socketio.quiet", "engineio.quiet", "httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
