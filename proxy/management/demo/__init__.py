"""The demonstration: three studies through the whole house, with real processes and a real association."""
