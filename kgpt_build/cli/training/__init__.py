"""Commands that train, and what they show meanwhile."""
