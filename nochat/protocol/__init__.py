"""The messages of the bus and of the clients: typed structs, each JSON on the wire.

- `commands`, in the imperative, change a room: the controller handles them, in one order per room.
- `events`, in the past tense, have happened, and any number of services may listen.
- `requests` ask one service and get one reply.
- `actions` are what clients send over their sockets, `payloads` what they send and see.

`fields` and `envelope` have what all of them share; `catalogue` lists every struct by its `type`.
"""
