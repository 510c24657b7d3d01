"""Structured logs: one JSON object a line, on standard error."""

import logging
from typing import Any

import msgspec

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


def configure(level: str) -> None:
    """Log to standard error from this level on; of the libraries only what is critical."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("nochat").setLevel(level.upper())
    for name in ("pika", "socketio.quiet", "engineio.quiet"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
