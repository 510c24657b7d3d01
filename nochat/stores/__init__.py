"""The stores of the services."""

# Timeout of a database: a service would otherwise wait forever for a server that hangs, or is
# unreachable behind a firewall.
ANSWER_SECONDS = 20.0
