"""What kgpt measures of itself. Everything is printed with how it was measured; nothing is asserted."""
