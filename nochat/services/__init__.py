"""The microservices: one file each, or a folder for a larger one."""
