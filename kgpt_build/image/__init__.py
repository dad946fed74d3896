"""Kernels and models as an image that firmware boots: a disc, or a USB stick, with GRUB and its menu.

``contents`` finds what goes in, ``menu`` says what can be booted, ``loader`` makes GRUB's parts, ``disc`` and ``stick``
write the two kinds of image, ``make`` is the whole of it, and ``inspect`` looks into what was made. ``fat``,
``iso9660`` and ``partitions`` know the formats, the first two by mtools and pycdlib. ``flash`` and its neighbours get
an image onto a device.
"""
