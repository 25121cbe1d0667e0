"""`/v1`: what is here and what is decided about it, for programs of the site's own people and for customers."""
