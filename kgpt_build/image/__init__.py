"""Images for sticks and discs: what is in them, how they are made, and how one gets onto a device."""
