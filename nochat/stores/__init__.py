"""What the services keep, and where."""
