"""NoChat: a chat made of microservices behind RabbitMQ."""

__version__ = "0.1.0"  # its one place: the package, the images and the site read it here
