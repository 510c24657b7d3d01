"""The exercises of notebook 01: socket.io, crashes, slow handlers."""
