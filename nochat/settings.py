"""The settings of the chat, read from `NOCHAT_*` environment variables."""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta
from platformdirs import user_data_path

from nochat.domain import text
from nochat.protocol.fields import Registration

PREFIX, FILE = "NOCHAT_", "_FILE"
PASSWORD = re.compile(r"(?<=://)[^\s'\"]*(?=@)")  # user and password in a URL

TEN_YEARS = 87_660  # hours
A_DAY = 86_400  # seconds

Rate = Annotated[float, Meta(ge=0, le=1_000_000)]  # excludes infinity and NaN
Bound = Annotated[int, Meta(ge=0, le=1_000_000)]  # 0: no bound
OFF = {"off", "none"}  # values of a URL that switch its service off
# Variables of the course, the tests and the machines, listed so that they are not errors.
OF_OTHERS = {
    "NOCHAT_COURSE",
    "NOCHAT_DEBIAN",
    "NOCHAT_EXERCISES",
    "NOCHAT_JUDGE",
    "NOCHAT_JUDGE_IN_NOTEBOOK",
    "NOCHAT_LOOK",
    "NOCHAT_LOOK_TAKE",
    "NOCHAT_MITOGEN",
    "NOCHAT_OFFLINE",
    "NOCHAT_REGISTRY_URL",
    "NOCHAT_REQUIRE_ALL",
    "NOCHAT_SECRETS",
    "NOCHAT_VAULT_PASSWORD",
}
GROUPS_OF_OTHERS = ("NOCHAT_MACHINE_", "NOCHAT_TEST_")


class SettingsError(ValueError):
    """A `NOCHAT_*` variable is unknown or has a value that can't be used."""


def _own_folder() -> str:
    """Return the user's own data folder; empty for a user without a home, as in some containers."""
    try:
        folder = str(user_data_path("nochat"))
    except RuntimeError:
        return ""
    return "" if folder.startswith("~") else folder  # older versions of platformdirs return "~"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings; each field is the variable `NOCHAT_` + its name in capitals.

    With the suffix `_FILE`, a variable names a file with the value, as for secrets of containers:
    `NOCHAT_BUS_URL_FILE=/run/secrets/bus_url`.

    Attributes:
        bus_url: `amqp://user:password@host:port/vhost` (RabbitMQ); empty: all services in one
            process, with a journal in `data_dir`; `memory://`: the same without the journal.
        users_url: SQLAlchemy URL of the users' database; empty: SQLite in `data_dir`.
        activity_url: `mongodb://` URL of the activity store; empty: an embedded server.
        replica_url: the storage of `replica`: `file:///folder`, a second `mongodb://`, or
            `https://ACCOUNT.blob.core.windows.net/CONTAINER?SAS`; empty: a folder in `data_dir`;
            `off`: no replica.
        data_dir: folder of the embedded stores.
        host: address that `web` and `gateway` listen on, or its name: `127.0.0.1` or `::1` for this
            machine alone, `0.0.0.0` or, with IPv6, `::` for all networks.
        port: port of `web`, and of everything in `nochat up`; 0 takes a free one.
        gateway_port: port of a `gateway` that runs as a process of its own.
        gateway_url: URL of such a gateway, for the page; empty: the page's own address.
        origins: further origins, comma-separated (`https://chat.example`), whose pages may open a
            socket and call REST.
        hosts: further host names of the chat, comma-separated (`chat.example`), beside addresses,
            `localhost` and the names in `host`, `origins` and `gateway_url`; `*`: any; empty: any
            if the chat is open to the network, none at a loopback address.
        frame_ancestors: origins that may frame the page (Content-Security-Policy).
        shards: queues that the rooms are spread over, one active controller each.
        session_hours: hours until a session expires.
        idle_hours: hours until an unused session (no open page, no request) expires; 0: no limit.
        log_days: days that the log of accounts (log-ins, failures, log-outs) and of connections is
            kept; 0: forever.
        user_rate: a user's actions per second over sockets, and REST calls; 0: no limit. Expensive
            ones count as several. An address has ten times as much.
        search_rate: a user's searches per second; 0: no limit. An address has ten times as much.
        room_rate: rooms that a user may create per hour; 0: no limit. An address has ten times as
            much.
        invite_rate: a user's invitations and direct rooms per hour; 0: no limit. An address has
            ten times as much.
        address_rate: HTTP requests per second from one address; 0: no limit.
        user_sockets: sockets that a user may have open on one gateway, in all windows and on all
            devices; 0: no limit.
        address_connections: open sockets of one address, and as many concurrent requests, and
            connections without a request; 0: no limit.
        login_rate: log-ins and registrations per second from one address, and a tenth of that for
            one account; 0: no limit.
        proxies: addresses and networks, comma-separated, whose X-Forwarded-For, -Proto and -Host
            are trusted; `*`: all.
        registration: registration on the page and by REST: `open` for anybody; `closed` for nobody,
            with `nochat register` as the way to create accounts.
        reserved: names, comma-separated, beside the bot's, that can't be registered on the page.
        max_frame: bytes a client may send in one websocket frame or long-polling request.
        engine: the Socket.IO server: `nochat`, our own, or `python-socketio`, which is slower.
        patience: seconds that a service waits at its start for a server that does not answer.
        operation_port: port of metrics and health checks, for each process; 0 takes a free one;
            empty: no such port.
        operation_host: address of metrics and health checks, which must not be public.
        logz_url: the URL of logz.io's listener in the account's region, for `log_shipper`.
        logz_token: logz.io's shipping token; empty: no `log_shipper`.
        bot_name: the bot's name; it answers to `@` and that name.
        log_level: `debug` (every event a service handles), `info`, `warning` or `error`.
    """

    bus_url: str = ""
    users_url: str = ""
    activity_url: str = ""
    replica_url: str = ""
    data_dir: str = _own_folder()
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    gateway_port: Annotated[int, Meta(ge=0, le=65535)] = 8001
    gateway_url: str = ""
    origins: str = ""
    hosts: str = ""
    frame_ancestors: str = "'none'"
    shards: Annotated[int, Meta(ge=1, le=64)] = 4
    session_hours: Annotated[float, Meta(gt=0, le=TEN_YEARS)] = 24.0
    idle_hours: Annotated[float, Meta(ge=0, le=TEN_YEARS)] = 8.0
    log_days: Annotated[int, Meta(ge=0, le=3650)] = 90
    user_rate: Rate = 20.0
    search_rate: Rate = 1.0
    room_rate: Rate = 20.0
    invite_rate: Rate = 60.0
    address_rate: Rate = 100.0
    user_sockets: Bound = 20
    address_connections: Bound = 500
    login_rate: Rate = 1.0
    proxies: str = "127.0.0.1,::1"
    registration: Registration = "open"
    reserved: str = "nochat,system"
    max_frame: Annotated[int, Meta(ge=8192, le=2**27)] = 65536
    engine: Literal["nochat", "python-socketio"] = "nochat"
    patience: Annotated[float, Meta(ge=0, le=A_DAY)] = 10.0
    operation_port: Annotated[int, Meta(ge=0, le=65535)] | None = None
    operation_host: str = "127.0.0.1"
    logz_url: str = "https://listener.logz.io:8071"
    logz_token: str = ""
    bot_name: str = "bot"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def __repr__(self) -> str:
        """Return all settings without secrets: the token, and the passwords in URLs."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        values["logz_token"] = "…" if self.logz_token else ""
        shown = ", ".join(f"{name}={value!r}" for name, value in values.items())
        return f"Settings({PASSWORD.sub('…', shown)})"

    @property
    def bus(self) -> str:
        """The URL of the bus: the one that is set, or that of a journal in the data folder.

        Raises:
            SettingsError: the journal's folder can't be created.
        """
        return self.bus_url or (self.data_path / "bus").absolute().as_uri().replace(
            "file:", "journal:", 1
        )

    @property
    def is_bus_local(self) -> bool:
        """True if the bus reaches this process alone."""
        return urlsplit(self.bus_url or "journal:").scheme in ("memory", "journal")

    @property
    def data_path(self) -> Path:
        """The folder of the embedded stores, created if necessary.

        Raises:
            SettingsError: it can't be created.
        """
        if not self.data_dir:
            raise SettingsError("there is no home folder for the data: set NOCHAT_DATA_DIR")
        try:
            path = Path(self.data_dir).expanduser()
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except (OSError, RuntimeError) as error:  # the latter: "~" of an unknown user
            reason = f"can't be a folder to write in: {error}"
            raise SettingsError(f"NOCHAT_DATA_DIR={self.data_dir} {reason}") from None
        return path


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: a variable is unknown (the message has the nearest name), its value is
            invalid, or its file can't be read.
    """
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    known = {PREFIX + field.upper(): field for field in Settings.__struct_fields__}
    files = {PREFIX + field.upper() + FILE: field for field in known.values()}
    for name in given.keys() - known.keys() - files.keys() - OF_OTHERS:
        if name.startswith(GROUPS_OF_OTHERS):
            continue
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        raise SettingsError(f"unknown variable {name}; {hint}")
    # A file of variables from Windows leaves a carriage return at the end of each.
    values = {known[name]: value.strip() for name, value in given.items() if name in known}
    for name in given.keys() & files.keys():
        if (field := files[name]) in values:
            raise SettingsError(f"{name} and {name.removesuffix(FILE)} are both set: keep one")
        values[field] = _read(name, given[name])
    try:
        settings = msgspec.convert(values, Settings, strict=False)
        return msgspec.structs.replace(settings, bot_name=text.name(settings.bot_name))
    except text.TextRefused as refused:
        raise SettingsError(f"NOCHAT_BOT_NAME can't be used: {refused}") from None
    except msgspec.ValidationError as error:
        message, _, field = str(error).partition(" - at `$.")
        name = PREFIX + field.rstrip("`").upper()
        name = name if name in given else name + FILE  # the file's content may be secret
        raise SettingsError(f"{name}={given[name]} can't be used: {message}") from None


def _read(name: str, path: str) -> str:
    try:
        # Some editors write a byte-order mark, which would become part of a password.
        return Path(path).read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}={path} can't be read: {error}") from None
