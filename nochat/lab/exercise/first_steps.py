"""The exercises of notebook 00: an account, and the way of a message."""
