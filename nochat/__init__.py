"""NoChat: a chat made of microservices behind RabbitMQ."""

__version__ = "0.1.0"  # the only place: the package, the images and the site read it here
