"""What the notebooks, the tests and the command line share: servers, checks, drawings. Never
imported by the chat.
"""
