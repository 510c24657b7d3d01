"""The exercises of notebook 05, with a module each."""

from nochat.lab.exercise import own_vagrantfile, third_machine

__all__ = ["own_vagrantfile", "third_machine"]
