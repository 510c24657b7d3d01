"""NoChat: a chat made of microservices behind RabbitMQ."""
