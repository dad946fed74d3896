"""Commands that talk to a model, and what they share."""
