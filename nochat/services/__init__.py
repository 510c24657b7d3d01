"""The microservices: one file each, or a folder where there is more to one."""
