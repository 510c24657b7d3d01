"""The security headers of every answer, which restrict what pages may do and who may use them."""

from typing import Any

from nochat.runtime.rate_limits import App, Receive, Scope

# Features of browsers that our pages never use; `clipboard-write` is not among them.
DENIED = (
    "accelerometer",
    "autoplay",
    "camera",
    "clipboard-read",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "gamepad",
    "geolocation",
    "gyroscope",
    "hid",
    "identity-credentials-get",
    "idle-detection",
    "local-fonts",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "picture-in-picture",
    "publickey-credentials-create",
    "publickey-credentials-get",
    "screen-wake-lock",
    "serial",
    "usb",
    "window-management",
    "xr-spatial-tracking",
)
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in DENIED),
}
# Defaults for answers without these headers: not a page, and not cached.
ELSE = {
    "Content-Security-Policy": (
        "default-src 'none'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
}
BY_TLS = {"Strict-Transport-Security": "max-age=31536000"}


class HeadersMiddleware:
    """A middleware that adds the headers that an answer lacks."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: App) -> None:
        """Serve an ASGI request."""

        async def headed(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                message = message | {"headers": [*headers, *_missing(scope, headers)]}
            await send(message)

        await self._app(scope, receive, headed)


def _missing(scope: Scope, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    wanted = ALWAYS | ELSE | (BY_TLS if scope["scheme"] in ("https", "wss") else {})
    there = {name.lower() for name, _ in headers}
    added = ((name.lower().encode(), value.encode()) for name, value in wanted.items())
    return [(name, value) for name, value in added if name not in there]
