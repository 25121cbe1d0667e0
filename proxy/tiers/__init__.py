"""Who the customers of the service are, by which keys they are known, and how much each may ask for."""
