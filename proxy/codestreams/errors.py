class Unsound(ValueError):
    """A frame is not what its image says, or nobody can tell. A sentence that quotes nothing."""
