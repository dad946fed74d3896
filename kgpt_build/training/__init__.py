"""The host's side of a training in the kernel: settings, corpus, received events and blobs, written files."""
