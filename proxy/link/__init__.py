"""The door to the backend: its configuration over HTTP, its events and our status over a WebSocket."""
