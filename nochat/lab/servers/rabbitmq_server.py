"""RabbitMQ."""

import logging
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pika
import pika.exceptions

from nochat.lab.board import progress
from nochat.lab.errors import NotAnswering
from nochat.lab.folders import own_folder
from nochat.lab.passwords import new_password
from nochat.lab.servers.server import Server, named, private
from nochat.local import doctor
from nochat.local.processes import free_port, listens, start_child
from nochat.stores import privileges

NAME, VARIABLE = "RabbitMQ", "NOCHAT_BUS_URL"

# Erlang terms instead of rabbitmq.conf: its parser alone takes a second of CPU at each start.
# An almost full disk or a flood of messages should stop publishers here as in production.
CONFIG = """
[{{rabbit, [{{tcp_listeners, [{{"127.0.0.1", {port}}}]}},
            {{default_user, <<"nochat">>}}, {{default_pass, <<"{password}">>}},
            {{default_user_tags, [{tags}]}}, {{default_vhost, <<"nochat">>}},
            {{default_permissions, [{permissions}]}},{denied}
            {{disk_free_limit, "100MB"}},
            {{vm_memory_high_watermark, {{absolute, "1GB"}}}}]}},
 {{rabbitmq_management, [{{tcp_config, [{{ip, "127.0.0.1"}}, {{port, {management_port}}}]}}]}}].
"""

# Features that RabbitMQ 4.3 denies by default are denied in older versions, too, so that nobody
# relies on them. Versions before 4.0.5 do not start with this setting.
DENIED = """
            {permit_deprecated_features,
             #{transient_nonexcl_queues => false, global_qos => false}},"""
DENIES = (4, 0, 5)

# Two schedulers without busy waiting, which would take a core from the services. The node is alone
# and listens on loopback, so it needs no epmd.
ERLANG = (
    "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none "
    "-sname {node} -start_epmd false -erl_epmd_port {port} "
    "-kernel inet_dist_use_interface {{127,0,0,1}} "
    "-kernel inet_dist_listen_min {port} -kernel inet_dist_listen_max {port}"
)


def rabbitmq(*, management: bool = False, quiet: bool = False) -> Server:
    """Start a private RabbitMQ, or use the one that `NOCHAT_BUS_URL` names.

    Args:
        management: enable the management plugin on a port of its own (with the URL's credentials).
        quiet: print nothing.

    Raises:
        Missing: RabbitMQ is not installed.
        NotReady: it does not start.
        NotAnswering: the broker of `NOCHAT_BUS_URL` can't be used.
    """
    return named(NAME, VARIABLE, ("amqp", "amqps"), look) or _start(management, quiet)


def _start(management: bool, quiet: bool) -> Server:
    script = doctor.require("rabbitmq-server")
    version = script.parent.parent.name.rpartition("-")[2]
    with progress(f"{NAME} {version}", quiet):
        folder, password, port = own_folder("rabbitmq"), new_password(), free_port()
        management_port = free_port()
        config = CONFIG.format(
            port=port,
            password=password,
            management_port=management_port,
            tags="monitoring" if management else "",
            permissions=", ".join(map(_term, privileges.RABBITMQ)),
            denied=DENIED if version_of(version) >= DENIES else "",
        )
        _write_settings(folder, config, "[rabbitmq_management]." if management else "[].")
        env = _environment(folder, f"nochat-{secrets.token_hex(6)}@localhost")
        # No grace period: its data are removed as well.
        child = start_child(
            [script], env=env, cwd=folder, log=folder / "log", remove=folder, grace=0
        )
        return private(
            NAME,
            f"amqp://nochat:{password}@127.0.0.1:{port}/nochat",
            child,
            lambda url: _look_at_both(url, management_port) if management else look(url),
            management_url=f"http://127.0.0.1:{management_port}" if management else None,
        )


def version_of(text: str) -> tuple[int, ...]:
    """Parse a version for comparison: "4.0.5" is greater than "3.13.7"."""
    return tuple(int(part) for part in text.split("-")[0].split(".") if part.isdigit())


def _term(text: str) -> str:
    """Return a text as an Erlang binary."""
    return '<<"{}">>'.format(text.replace("\\", "\\\\"))


def _write_settings(folder: Path, config: str, plugins: str) -> None:
    (folder / "rabbitmq.config").write_text(config, encoding="utf-8")
    (folder / "plugins").write_text(plugins, encoding="utf-8")


def _environment(folder: Path, node: str) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("RABBITMQ_")}
    return ours | {
        "HOME": str(folder),  # For Erlang's cookie.
        "LC_ALL": "C.UTF-8",
        "RABBITMQ_NODENAME": node,
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.config"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "none"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_PLUGINS_EXPAND_DIR": str(folder / "expanded"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG.format(node=node, port=free_port()),
        # With this, the script replaces itself by the broker, which then ends with its keeper.
        "RUNNING_UNDER_SYSTEMD": "true",
    }


def look(url: str) -> str:
    """Return the version of the broker at a URL.

    Raises:
        NotAnswering: it can't be reached, or refuses the user, password or virtual host.
    """
    parameters = _parameters(url)
    try:
        # Before pika, whose own retries and logs are long.
        socket.create_connection((parameters.host, parameters.port), timeout=5).close()
        with _pika_silent(), pika.BlockingConnection(parameters) as connection:
            return str(connection._impl.server_properties["version"])
    except OSError as error:
        raise NotAnswering(f"can't be reached ({error})") from error
    except pika.exceptions.AMQPConnectionError as error:
        if "limit" in str(error):  # the number of connections of a user or a virtual host
            raise NotAnswering(f"refuses the connection ({error})") from error
        raise NotAnswering(f"refuses the user, password or virtual host ({error})") from error


def _parameters(url: str) -> pika.URLParameters:
    try:
        parameters = pika.URLParameters(url)
    except (ValueError, TypeError) as error:
        raise NotAnswering(f"is not a URL that pika understands ({error})") from error
    parameters.connection_attempts, parameters.blocked_connection_timeout = 1, 5
    parameters.socket_timeout = parameters.stack_timeout = 5
    return parameters


def _look_at_both(url: str, management_port: int) -> str:
    if not listens(management_port):
        raise NotAnswering("its management plugin can't be reached")
    return look(url)


@contextmanager
def _pika_silent() -> Iterator[None]:
    logger = logging.getLogger("pika")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
