"""The runtime of services in one process: wiring, HTTP server, limits, logs, telemetry."""
