"""`GET /metrics`: what Prometheus watches. Counts by destination, gate and rule; no person, no pseudonym, no UID."""
