"""Builds a kernel from a model, checks and inspects the linked file, and replaces the model in it."""
