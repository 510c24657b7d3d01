"""The protocol between vagrant/cloud.rb and the programs for its clouds: lines of JSON."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


class Refused(Exception):
    """The cloud can't execute the order; the message says what the user can do."""


@dataclass(frozen=True)
class Order:
    """An order from Vagrant.

    Attributes:
        token: the unique name of the machine in the cloud.
        settings: the provider's settings in the Vagrantfile, without unset ones.
        public_key: the public key for the log-in.
    """

    token: str
    settings: Mapping[str, Any] = field(repr=False)
    public_key: str = ""


@dataclass(frozen=True)
class Machine:
    """The known state of a machine.

    Attributes:
        state: `not_created`, `active`, or the cloud's own word.
        host: the address for SSH; empty if there is none yet.
    """

    state: str
    host: str = ""


def progress(text: str) -> None:
    """Show the user a line."""
    print(json.dumps({"progress": text}), flush=True)


def serve(actions: Mapping[str, Callable[[Order], Machine]]) -> None:
    """Read an order from standard input, execute it, and print the answer.

    Args:
        actions: functions for `create`, `destroy` and `state`, which may raise `Refused`.
    """
    told = json.load(sys.stdin)
    act = actions[told.pop("action")]
    try:
        machine = act(Order(**told))
    except Refused as refused:
        print(json.dumps({"error": str(refused)}), flush=True)
    except KeyboardInterrupt:
        print(json.dumps({"error": "Interrupted. Run the same again: it goes on."}), flush=True)
    else:
        print(json.dumps({"state": machine.state, "host": machine.host or None}), flush=True)


def refuse_all(problem: str) -> None:
    """Answer any order with an error."""

    def refuse(_: Order) -> Machine:
        raise Refused(problem)

    serve({"create": refuse, "destroy": refuse, "state": refuse})
