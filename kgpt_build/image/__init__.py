"""Makes images that firmware boots, discs and USB sticks, from kernels, models, GRUB and a boot menu.

``contents`` collects the files, ``menu`` writes grub.cfg, ``loader`` makes GRUB's core files, ``disc`` and ``stick``
write the two kinds of image, ``make`` runs all of it, and ``inspect`` reads an image back. ``fs`` has the file systems
and partition tables. The package ``flash`` writes images to devices.
"""
