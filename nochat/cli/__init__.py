"""The command `nochat`: `up`, `run SERVICE`, `backup`, `restore`, `grant`, `load` and others."""

import argparse
import asyncio
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from nochat import __version__
from nochat.errors import NochatError
from nochat.protocol.catalogue import catalogue
from nochat.runtime import bootstrap, logs, proxies, registry
from nochat.service import Service
from nochat.settings import SettingsError
from nochat.settings import load as load_settings

T = TypeVar("T", int, float)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status (2: an error that the message explains)."""
    options = _parser().parse_args(arguments)
    proxies.exempt(os.environ)
    os.umask(0o077)  # files of the chat are private to this user
    try:
        return int(options.command(options) or 0)
    except (NochatError, SettingsError) as error:
        print(f"nochat: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nochat", description="A chat made of microservices. Settings are NOCHAT_* variables."
    )
    parser.add_argument("--version", action="version", version=f"nochat {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="all services in this process")
    up.add_argument(
        "file",
        nargs="*",
        help="a Python file with a `service` of your own, which takes the place of the chat's "
        "service of the same name, if there is one",
    )
    up.set_defaults(command=lambda options: _run(_all(options.file)))

    run = commands.add_parser("run", help="some services in this process")
    run.add_argument(
        "service",
        nargs="+",
        help=f"{', '.join([*registry.NAMES, *registry.OPTIONAL])}; "
        "bot, which is in Node.js; or a Python file with a `service` of your own",
    )
    run.set_defaults(command=lambda options: _run_named(options.service))

    backup = commands.add_parser("backup", help="copy the accounts to a file, while the chat runs")
    backup.add_argument("file", type=Path, help="a new file, which only its owner can read")
    backup.set_defaults(command=lambda options: _backup(options.file))

    restore = commands.add_parser(
        "restore", help="fill an empty activity store from the replica, or accounts from a backup"
    )
    sources = restore.add_mutually_exclusive_group()
    sources.add_argument(
        "--accounts", type=Path, metavar="FILE", help="a file of `nochat backup`, for accounts"
    )
    sources.add_argument(
        "--from",
        dest="source",
        default="",
        metavar="URL",
        help="where the replica is, in the form of NOCHAT_REPLICA_URL, which is the default",
    )
    restore.set_defaults(command=lambda options: _restore(options.source, options.accounts))

    promote = commands.add_parser(
        "grant", help="make an account a manager, with the management page"
    )
    promote.add_argument("user", help="name of the account")
    promote.add_argument("--revoke", action="store_true", help="make it a user again")
    promote.set_defaults(command=lambda options: _promote(options.user, options.revoke))

    register = commands.add_parser(
        "register", help="make an account; asks for the password, or reads it from a pipe"
    )
    register.add_argument("user", help="name of the account")
    register.set_defaults(command=lambda options: _register(options.user))

    load_ = commands.add_parser(
        "load", help="simulate people who write, and measure the latency of their messages"
    )
    load_.add_argument("url", help="the chat's page")
    load_.add_argument("--people", type=_positive(int), default=10)
    load_.add_argument(
        "--rate",
        type=_positive(float),
        default=5.0,
        help="messages per second, of all people together",
    )
    load_.add_argument("--seconds", type=_positive(float), default=30.0)
    load_.set_defaults(command=_load)

    check = commands.add_parser("doctor", help="list what this machine has, and what is missing")
    check.set_defaults(command=lambda _: _examine())

    grade = commands.add_parser(
        "grade",
        help="judge submitted notebooks of the course, each in a sandbox of its own",
        description="Judge submitted notebooks of the course, each in a sandbox of its own; those "
        "of 04 to 07 in throw-away machines, which need root. Only the cells of exercises are "
        "taken from them. The results are grades.csv, junit.xml, and "
        "for each submission a results.json in Gradescope's form.",
    )
    grade.add_argument(
        "folder",
        type=Path,
        help="it holds STUDENT/NOTEBOOK.ipynb, or STUDENT_NOTEBOOK.ipynb",
    )
    grade.add_argument(
        "--out", type=Path, default=Path("build/grades"), help="default: build/grades"
    )
    grade.add_argument(
        "--masters", type=Path, metavar="FOLDER", help="default: the course's notebooks"
    )
    grade.add_argument(
        "--jobs",
        type=_positive(int),
        default=0,
        help="submissions at a time; default: one a core, and one in throw-away machines",
    )
    grade.add_argument(
        "--seconds",
        type=_positive(float),
        default=0.0,
        help="that a submission may take; default: 180, and 1800 in a throw-away machine",
    )
    grade.set_defaults(command=_grade)

    events = commands.add_parser("asyncapi", help="the events, as an AsyncAPI document (JSON)")
    events.add_argument("file", nargs="*", help="a Python file with events of your own")
    events.set_defaults(command=lambda options: print(_pretty(_document(options.file))))
    return parser


def _run(services: list[Service[object]]) -> None:
    import uvloop  # here, as the other commands must answer at once

    settings = load_settings()
    logs.configure(settings.log_level)
    names = ", ".join(service.name for service in services)
    if settings.is_bus_local and len(services) < len(registry.NAMES):
        raise NochatError(
            f"{names} alone would reach no other service; set NOCHAT_BUS_URL=amqp://… (RabbitMQ), "
            "or run everything with `nochat up`"
        )

    def ready(url: str) -> None:
        print(f"{names}: {url or 'running'}", flush=True)

    uvloop.run(bootstrap.run(services, settings, ready))


def _run_named(names: list[str]) -> None:
    if "bot" not in names:
        _run([_find(name) for name in names])
    elif len(names) > 1:
        raise NochatError("the bot is a program of its own: start it with `nochat run bot` alone")
    else:
        from nochat.services import bots  # here, as no other service needs Node.js

        bots.run(load_settings())


def _all(files: list[str]) -> list[Service[object]]:
    """Return the chat's services and the user's."""
    return registry.with_own(load_settings(), map(registry.own_service, files))


def _document(files: list[str]) -> dict[str, Any]:
    from nochat.cli.asyncapi import document  # here, as it needs the client of RabbitMQ

    for file in files:
        registry.own_module(file)
    return document(load_settings().shards, catalogue().values() if files else None)


def _backup(file: Path) -> None:
    from nochat.cli.backup import backup  # here, as the other commands need no database

    print(f"accounts copied to {file}: {backup(load_settings(), file)}")


def _restore(source: str, accounts: Path | None) -> None:
    settings = load_settings()
    logs.configure(settings.log_level)
    if accounts:
        from nochat.cli import backup  # here, as the other commands need no database

        print(f"accounts restored: {backup.restore(settings, accounts)}")
    else:
        from nochat.cli.restore import restore

        asyncio.run(restore(settings, source, print))


def _promote(user: str, revoke: bool) -> None:
    from nochat.cli.promote import promote  # here, as the other commands need no database

    name = promote(load_settings(), user, "user" if revoke else "manager")
    print(f"{name} is a {'user' if revoke else 'manager'} now")


def _register(user: str) -> None:
    from nochat.cli.register import ask_password, register  # here, as others need no database

    print(f"{register(load_settings(), user, ask_password())} can log in now")


def _examine() -> None:
    from nochat.local import doctor  # here, as the other commands look for nothing

    print(doctor.report(doctor.examine()))


def _load(options: argparse.Namespace) -> int:
    from nochat.cli.load import load  # here, as the other commands need no client

    def say(line: str) -> None:
        print(line, flush=True)

    report = asyncio.run(load(options.url, options.people, options.rate, options.seconds, say))
    say(str(report))
    return 1 if report.lost else 0


def _grade(options: argparse.Namespace) -> None:
    from nochat.cli.grade import grade  # here, as it needs the packages of the course

    grade(options.folder, options.out, options.masters, options.jobs, options.seconds)


def _positive(kind: type[T]) -> Callable[[str], T]:
    """Parse a positive number, for argparse."""

    def number(text: str) -> T:
        if 0 < (value := kind(text)) < math.inf:
            return value
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")

    return number


def _find(name: str) -> Service[object]:
    """Return a service of the chat by its name, or one of the user by its file."""
    return registry.own_service(name) if name.endswith(".py") else registry.services([name])[0]


def _pretty(content: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode()
