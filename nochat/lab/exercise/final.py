"""The exercises of notebook 07, with a module each."""

from nochat.lab.exercise import password, price, version

__all__ = ["password", "price", "version"]
