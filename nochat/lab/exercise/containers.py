"""The exercises of notebook 06, with a module each."""

from nochat.lab.exercise import own_image, own_part

__all__ = ["own_image", "own_part"]
