"""The exercises of notebook 03, with a module each."""

from nochat.lab.exercise import aggregation, own_service, sessions

__all__ = ["aggregation", "own_service", "sessions"]
