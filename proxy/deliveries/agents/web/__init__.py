"""What the agents that speak HTTP share: the line, its bodies, who we say we are, and what an answer means."""
