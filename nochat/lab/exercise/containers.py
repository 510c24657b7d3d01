"""The exercises of notebook 06, with a module each."""

from nochat.lab.exercise import memory, own_image, own_part

__all__ = ["memory", "own_image", "own_part"]
