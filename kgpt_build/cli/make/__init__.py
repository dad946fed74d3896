"""Commands that make kernels, images and models."""
