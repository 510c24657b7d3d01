"""The rules of the chat, without a bus and without a store: rooms, texts, ids."""
