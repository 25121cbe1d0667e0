"""What the backend has told us, checked and remembered: the link asks, every room above may read it here."""
