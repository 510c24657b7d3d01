"""The conversation of vagrant/cloud.rb and the programs for its clouds: JSON, a line each."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


class Refused(Exception):
    """The cloud can't do what was asked; the message says what the user can do."""


@dataclass(frozen=True)
class Order:
    """An order from Vagrant.

    Attributes:
        token: name of the machine in the cloud, which nothing else there has.
        settings: of the provider, as the Vagrantfile sets them; those not set are missing.
        public_key: that the machine is to let in.
    """

    token: str
    settings: Mapping[str, Any] = field(repr=False)
    public_key: str = ""


@dataclass(frozen=True)
class Machine:
    """The known state of a machine.

    Attributes:
        state: `not_created`, `active`, or the cloud's own word.
        host: address for SSH; empty: there is none yet.
    """

    state: str
    host: str = ""


def progress(text: str) -> None:
    """Show the user a line."""
    print(json.dumps({"progress": text}), flush=True)


def serve(actions: Mapping[str, Callable[[Order], Machine]]) -> None:
    """Read what Vagrant wants from standard input, do it, and answer.

    Args:
        actions: what does `create`, `destroy` and `state`; it may raise `Refused`.
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
    """Answer whatever Vagrant wants with what is wrong."""

    def refuse(_: Order) -> Machine:
        raise Refused(problem)

    serve({"create": refuse, "destroy": refuse, "state": refuse})
