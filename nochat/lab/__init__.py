"""What the notebooks, the tests and the command line share: servers, checks, drawings. Never
imported by the chat.

To import it settles the environment of the process: see `surroundings`.
"""

from nochat.lab import surroundings

surroundings.settle()
