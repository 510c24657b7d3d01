"""The program: `starter` starts it with a JSON file of settings."""

import json
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from nochat.lab.azure.stand_in.groups import Groups
from nochat.lab.azure.stand_in.kinds import MachineBackend, NoMachines
from nochat.lab.azure.stand_in.login import Login
from nochat.lab.azure.stand_in.prices import prices
from nochat.lab.azure.stand_in.refusal import Failure, Refusal
from nochat.lab.azure.stand_in.resources import Resources, read, type_of
from nochat.lab.azure.stand_in.store import PROVIDERS, Store

Handler = Callable[[Request], Awaitable[Response]]
VERSION = re.compile(r"20\d\d-(0[1-9]|1[0-2])-([0-2]\d|3[01])(-preview)?")
# The SDK spells these in more than one way.
SPELLINGS = tuple(
    (re.compile(f"/{word}\\b", re.I), f"/{word}")
    for word in ("resourceGroups", "checkDnsNameAvailability", "instanceView")
)


def build(store: Store, login: Login, behind: MachineBackend) -> Starlette:
    """Build the application."""
    resources = Resources(store, behind)
    groups = Groups(store, resources)

    def arm(path: str, handler: Handler, *methods: str) -> Route:
        return Route(
            f"/subscriptions/{{subscription}}{path}",
            _asked(store, login, handler),
            methods=list(methods or ("GET",)),
        )

    group, provider = "/resourceGroups/{group}", "/providers/{namespace}"
    here = f"{provider}/locations/{{location}}"
    kind = f"{group}{provider}/{{type}}"
    image = "/publishers/{publisher}/artifacttypes/vmimage/offers/{offer}/skus/{sku}/versions"
    return Starlette(
        routes=[
            Route("/{tenant}/v2.0/.well-known/openid-configuration", login.discover),
            Route("/{tenant}/oauth2/v2.0/token", login.give_token, methods=["POST"]),
            Route("/api/retail/prices", prices),
            Route("/stand-in/fail-next", _fail_next(store), methods=["POST"]),
            arm("", groups.subscription),
            arm("/resources", groups.all_resources),
            arm("/resourceGroups", groups.groups),
            arm(group, groups.group, "GET", "HEAD", "PUT", "DELETE"),
            arm(f"{group}/resources", groups.all_resources),
            arm("/providers/Microsoft.Compute/skus", groups.sizes),
            arm(provider, groups.providers),
            arm(f"{provider}/register", groups.providers, "POST"),
            arm(f"{here}/vmSizes", groups.sizes_by_name),
            arm(f"{here}/usages", groups.usages),
            arm(f"{here}/checkDnsNameAvailability", groups.dns_name),
            arm(f"{here}{image}", groups.images),
            arm(f"{here}/{{what}}/{{operation}}", groups.operation),
            arm(f"{provider}/{{type}}", resources.all),
            arm(kind, resources.all),
            arm(f"{kind}/{{name}}", resources.one, "GET", "PUT", "PATCH", "DELETE"),
            arm(f"{kind}/{{name}}/{{action}}", resources.act, "GET", "POST"),
            arm(f"{kind}/{{name}}/subnets/{{child}}", resources.subnet, "GET", "PUT"),
        ]
    )


def _asked(store: Store, login: Login, handler: Handler) -> Handler:
    """Wrap a handler, so that only valid and authenticated requests reach it."""

    async def answer(request: Request) -> Response:
        try:
            login.check(request.headers.get("authorization", ""))
            _check_version(request.query_params.get("api-version", ""))
            _check_subscription(store, request)
            kind = type_of(request) or ("resourceGroups" if "group" in request.path_params else "")
            if refusal := store.fail(kind, request.method, later=False):
                raise refusal
            return await handler(request)
        except Refusal as refusal:
            return JSONResponse(refusal.body, refusal.status, refusal.headers)

    return answer


def _check_version(version: str) -> None:
    if not version:
        raise Refusal(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    if not VERSION.fullmatch(version):
        raise Refusal(400, "InvalidApiVersionParameter", f"The api-version '{version}' is invalid.")


def _check_subscription(store: Store, request: Request) -> None:
    asked = request.path_params["subscription"]
    if asked.lower() != store.subscription:
        raise Refusal(
            404, "SubscriptionNotFound", f"The subscription '{asked}' could not be found."
        )
    namespace = request.path_params.get("namespace", "").lower()
    if request.method == "PUT" and namespace in PROVIDERS.keys() - store.registered:
        raise Refusal(
            409,
            "MissingSubscriptionRegistration",
            f"The subscription is not registered to use namespace '{PROVIDERS[namespace]}'. See "
            "https://aka.ms/rps-not-found for how to register subscriptions.",
        )


def _fail_next(store: Store) -> Handler:
    """Return the handler with which tests inject a failure, or unregister a provider."""

    async def answer(request: Request) -> Response:
        told = await read(request)
        if namespace := told.get("unregister"):
            store.registered.discard(namespace.lower())
        else:
            store.failures.append(Failure(**told))
        return Response(status_code=204)

    return answer


class Closing:
    """A wrapper that normalizes the SDK's spellings of paths."""

    def __init__(self, app: Starlette) -> None:
        self.app = app

    async def __call__(self, scope: "dict[str, object]", receive: object, send: object) -> None:
        """Serve a request."""
        if scope["type"] == "http":
            for pattern, spelling in SPELLINGS:
                scope["path"] = pattern.sub(spelling, str(scope["path"]))
        await self.app(scope, receive, send)  # type: ignore[arg-type]


def main(file: str) -> None:
    """Serve with the settings of a file, until a signal."""
    told = json.loads(Path(file).read_text(encoding="utf-8"))
    store = Store(told["subscription"], told["cores"])
    login = Login(told["tenant"], told["client"], told["secret"])
    behind: MachineBackend = NoMachines()
    if told["machines"]:
        from nochat.lab.azure.stand_in.machines import Machines

        behind = Machines(store)
    uvicorn.run(
        Closing(build(store, login, behind)),
        host="127.0.0.1",
        port=told["port"],
        ssl_certfile=told["certificate"],
        ssl_keyfile=told["key"],
        log_level="warning",
        # The SDK keeps connections longer than uvicorn does, and fails on closed ones.
        headers=[("Connection", "close")],
    )


if __name__ == "__main__":
    main(sys.argv[1])
