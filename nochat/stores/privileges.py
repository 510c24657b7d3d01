"""The privileges of the chat's own accounts in its servers: these, and no others.

Every deployment creates its accounts with these.
"""

# Migrations create, fill and change its tables; no other database, no files, no accounts.
MARIADB = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES"

# (configure, write, read), in its own virtual host: nothing of RabbitMQ's own except the default
# exchange, which routes replies and replayed dead letters to a queue by name.
RABBITMQ = (r"^(?!amq\.)", r"^((?!amq\.)|amq\.default$)", r"^(?!amq\.)")

# In its own database.
MONGODB = "readWrite"
