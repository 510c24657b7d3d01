"""The Socket.IO engine, by what clients notice of it."""
