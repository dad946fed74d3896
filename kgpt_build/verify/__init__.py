"""Compares what a kernel computed with the reference in NumPy: a microgpt exactly, a language model layer by layer."""
