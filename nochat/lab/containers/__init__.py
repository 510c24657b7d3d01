"""The chat in containers: its image, and its `docker compose` project.

A thin layer over the commands that people type; Docker's SDK inspects their results.
"""

from nochat.lab.containers.stack import (
    Layer,
    Mine,
    Stack,
    build,
    client,
    containers_of,
    layers,
    prepare,
    up,
)
from nochat.lab.errors import ContainersError

__all__ = [
    "ContainersError",
    "Layer",
    "Mine",
    "Stack",
    "build",
    "client",
    "containers_of",
    "layers",
    "prepare",
    "up",
]
