"""The microservices, one file each."""
