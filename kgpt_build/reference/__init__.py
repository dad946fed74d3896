"""microgpt in NumPy: the ground truth that the kernel is verified against, and the trainer of the default model."""
