"""log_shipper: sends every event as a log line to a logz.io listener by its bulk HTTPS API.

It runs if `NOCHAT_LOGZ_TOKEN` is set. While the listener is unavailable, or refuses the token,
events wait in the service's durable queue. Delivery is at least once.
"""

import gzip
import logging
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus

import httpx
import msgspec

from nochat.errors import NochatError, Unavailable
from nochat.protocol import events
from nochat.protocol.catalogue import catalogue
from nochat.protocol.events import Event, PresenceReported, ServiceReported, TypingStarted
from nochat.runtime import proxies
from nochat.service import Context, Service
from nochat.settings import Settings

log = logging.getLogger(__name__)

TYPE = "nochat"  # logz.io's type of these lines
MAX_LINE = 500_000  # bytes, the listener's limit
# Bytes before compression. The listener accepts 10 MB; small bodies do not delay other services.
MAX_BODY = 1_000_000
TIMEOUT = 10.0  # seconds

# Repeated every few seconds or keystrokes, without new information.
NOISE = (PresenceReported, ServiceReported, TypingStarted)
# The chat's events alone: those of your own services are known only in their processes.
SHIPPED = [
    kind
    for kind in catalogue(Event).values()
    if kind.__module__ == events.__name__ and kind not in NOISE
]

# Ordered: lines of one room arrive in the room's order.
service = Service["Listener"]("log_shipper", single_active_consumer=True)


class Listener:
    """A logz.io listener, which accepts many lines of JSON in one request."""

    def __init__(self, client: httpx.AsyncClient, settings: Settings) -> None:
        self._client, self._url = client, settings.logz_url
        self._query = {"token": settings.logz_token, "type": TYPE}

    async def send(self, body: bytes) -> None:
        """Send lines; those that the listener rejects as malformed are dropped.

        Raises:
            Unavailable: the listener does not accept them now.
        """
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        content = gzip.compress(body, compresslevel=1)
        try:
            answer = await self._client.post(
                self._url, params=self._query, content=content, headers=headers
            )
        except httpx.HTTPError as error:
            reason = f"{type(error).__name__}: {error}"
            raise Unavailable(f"the listener at {self._url} can't be reached ({reason})") from None
        match answer.status_code:
            case HTTPStatus.OK:
                pass
            case HTTPStatus.BAD_REQUEST | HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                said = answer.text[:1000]
                log.error(
                    "the listener refused lines, which are dropped (HTTP %d): %s",
                    answer.status_code,
                    said,
                )
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                raise Unavailable(
                    f"the listener at {self._url} refuses the token (HTTP {answer.status_code}); "
                    "set NOCHAT_LOGZ_TOKEN to the shipping token of an account in its region"
                )
            case status:
                raise Unavailable(f"the listener at {self._url} answered HTTP {status}")


@service.resource
@asynccontextmanager
async def listener(context: Context) -> AsyncIterator[Listener]:
    """Open the listener that the settings name, over HTTPS.

    Raises:
        NochatError: there is no token, or it would be sent unencrypted.
    """
    settings = context.settings
    if not settings.logz_token:
        raise NochatError("log_shipper needs a shipping token of logz.io in NOCHAT_LOGZ_TOKEN")
    if not settings.logz_url.startswith("https://"):
        raise NochatError(
            "NOCHAT_LOGZ_URL must start with https://, because requests contain the token"
        )
    context.bus.tally.store = "logz.io"
    # The system's certificates, or those of SSL_CERT_FILE.
    trusted = ssl.create_default_context()
    proxy = proxies.for_url(settings.logz_url)
    async with httpx.AsyncClient(
        verify=trusted, timeout=TIMEOUT, proxy=proxy, trust_env=False
    ) as client:
        yield Listener(client, settings)


@service.on(*SHIPPED, batch=True)
async def ship(happened: list[Event], context: Context[Listener]) -> None:
    """Send events to the listener."""
    for body in bodies(line(event) for event in happened):
        await context.resource.send(body)


def line(event: Event) -> bytes:
    """Encode an event as a log line."""
    fields = msgspec.to_builtins(event)
    name, at = fields.pop("type"), datetime.fromtimestamp(fields.pop("at"), UTC)
    text = fields.get("text", "")
    described = {
        "@timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "message": f"{name}: {text}" if text else name,
        "type": TYPE,
        "event": name,
    }
    return msgspec.json.encode(fields | described)


def bodies(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Join lines into as few bodies as the limits allow; a line that is too long is dropped."""
    body = b""
    for raw in lines:
        if len(raw) > MAX_LINE:
            log.error("a line of %d bytes is too long and dropped: %r…", len(raw), raw[:200])
            continue
        if len(body) + len(raw) >= MAX_BODY:
            yield body
            body = b""
        body += raw + b"\n"
    if body:
        yield body
