"""The privileges of the chat's own accounts in the servers it uses: these, and no others.

Every deployment makes its accounts with these.
"""

# Its tables are made, filled and changed by migrations; no other database, no files, no accounts.
MARIADB = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES"

# (configure, write, read), in its own virtual host: nothing that RabbitMQ has there by itself but
# the default exchange, by which replies and replayed letters go to a queue by name.
RABBITMQ = (r"^(?!amq\.)", r"^((?!amq\.)|amq\.default$)", r"^(?!amq\.)")

# In its own database.
MONGODB = "readWrite"
