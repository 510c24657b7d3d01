"""What runs the services of one process: wiring, HTTP server, limits, logs and telemetry."""
