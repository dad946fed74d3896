"""Trains on the host with PyTorch. ``settings``, ``text``, ``report`` and ``arguments`` work without it."""
