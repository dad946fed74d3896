"""File systems and partition tables of images: FAT (by mtools), ISO 9660 (by pycdlib), MBR and GPT."""
