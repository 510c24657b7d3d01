"""The chat measured against Node's socket.io, in one run, on the same work: `make bench`."""
