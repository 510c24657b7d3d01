"""Log-in to the stand-in for Azure, as an application: OAuth 2 with a client secret."""

import hmac
import secrets
import time
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from nochat.lab.azure.stand_in.refusal import Refusal
from nochat.lab.azure.stand_in.store import now

TOKEN_SECONDS = 3600


@dataclass
class Login:
    """The log-in of the one application that may use the subscription.

    Attributes:
        tenant: the directory.
        client: the application.
        secret: its password.
        tokens: the issued tokens, with their expiry.
    """

    tenant: str
    client: str
    secret: str = field(repr=False)
    tokens: dict[str, float] = field(default_factory=dict, repr=False)

    async def discover(self, request: Request) -> Response:
        """Return the OpenID configuration, with the URL for tokens."""
        tenant = request.path_params["tenant"]
        if tenant != self.tenant:
            return self._unknown_tenant(tenant)
        base = f"{str(request.base_url).rstrip('/')}/{tenant}"
        return JSONResponse(
            {
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "issuer": f"{base}/v2.0",
                "response_types_supported": ["code", "id_token", "token"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "jwks_uri": f"{base}/discovery/v2.0/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            }
        )

    async def give_token(self, request: Request) -> Response:
        """Issue a token for the right secret."""
        tenant = request.path_params["tenant"]
        form = dict(parse_qsl((await request.body()).decode()))
        if tenant != self.tenant:
            return self._unknown_tenant(tenant)
        if form.get("grant_type") != "client_credentials":
            return _no(
                400,
                "unsupported_grant_type",
                70003,
                "The app requested an unsupported grant type.",
            )
        client = form.get("client_id", "")
        if client != self.client:
            return _no(
                400,
                "unauthorized_client",
                700016,
                f"Application with identifier '{client}' was not found in the directory "
                f"'{tenant}'. This can happen if the application has not been installed by the "
                "administrator of the tenant or consented to by any user in the tenant.",
            )
        if not hmac.compare_digest(form.get("client_secret", "").encode(), self.secret.encode()):
            return _no(
                401,
                "invalid_client",
                7000215,
                "Invalid client secret provided. Ensure the secret being sent in the request is "
                "the client secret value, not the client secret ID, for a secret added to app "
                f"'{client}'.",
            )
        token = secrets.token_urlsafe(48)
        self.tokens[token] = time.time() + TOKEN_SECONDS
        answer = {"token_type": "Bearer", "expires_in": TOKEN_SECONDS, "access_token": token}
        return JSONResponse({**answer, "ext_expires_in": TOKEN_SECONDS})

    def check(self, authorization: str) -> None:
        """Check the token of a request.

        Raises:
            Refusal: the token is missing, unknown or expired.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unauthorized(
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is missing.",
            )
        end = self.tokens.get(token)
        if end is None:
            raise _unauthorized("InvalidAuthenticationToken", "The access token is invalid.")
        if end < time.time():
            raise _unauthorized("ExpiredAuthenticationToken", "The access token expiry has passed.")

    def _unknown_tenant(self, tenant: str) -> Response:
        return _no(
            400,
            "invalid_request",
            90002,
            f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and "
            "are signing into the correct cloud. Check with your subscription administrator, this "
            "may happen if there are no active subscriptions for the tenant.",
        )


def _no(status: int, error: str, number: int, text: str) -> Response:
    trace = {"trace_id": str(uuid.uuid4()), "correlation_id": str(uuid.uuid4())}
    ids = f"Trace ID: {trace['trace_id']} Correlation ID: {trace['correlation_id']}"
    body: dict[str, Any] = {
        "error": error,
        "error_description": f"AADSTS{number}: {text} {ids} Timestamp: {now()}",
        "error_codes": [number],
        "timestamp": now(),
        **trace,
    }
    return JSONResponse(body, status)


def _unauthorized(code: str, message: str) -> Refusal:
    scheme = f'Bearer error="invalid_token", error_description="{message}"'
    return Refusal(401, code, message, {"WWW-Authenticate": scheme})
