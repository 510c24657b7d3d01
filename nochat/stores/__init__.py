"""The stores of the services."""

# A database that says nothing for so long counts as one that is not there: a service would
# otherwise wait for ever for a server that hangs, or is gone behind a firewall.
ANSWER_SECONDS = 20.0
