"""The exercises of notebook 04, with a module each."""

from nochat.lab.exercise import account, drift, greeting

__all__ = ["account", "drift", "greeting"]
