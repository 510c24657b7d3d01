"""The exercises of notebook 02, with a module each."""

from nochat.lab.exercise import baker, bindings, plug, retries

__all__ = ["baker", "bindings", "plug", "retries"]
