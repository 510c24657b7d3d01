"""Tools that the notebooks, the tests and the command line share; the chat never imports them.

Importing it settles the environment of the process: see `surroundings`.
"""

from nochat.lab import surroundings

surroundings.settle()
