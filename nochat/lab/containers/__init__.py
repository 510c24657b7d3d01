"""The chat in containers: its image, and its `docker compose` project.

Thin over the commands that people type; Docker's SDK looks at what these made.
"""

from nochat.lab.containers.stack import Layer, Mine, Stack, build, client, layers, up
from nochat.lab.errors import ContainersError

__all__ = ["ContainersError", "Layer", "Mine", "Stack", "build", "client", "layers", "up"]
