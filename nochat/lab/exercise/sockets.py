"""The exercises of notebook 01: socket.io, crashes, slow handlers."""

from nochat.lab.exercise import durable, log_ins, whispers

__all__ = ["durable", "log_ins", "whispers"]
