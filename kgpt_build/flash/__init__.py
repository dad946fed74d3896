"""Writes an image to a USB stick or an SD card: the disks, what may be overwritten, writing, reading back."""
