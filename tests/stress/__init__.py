"""`make stress`: what takes too long for the suite, which holds a slice of each."""
