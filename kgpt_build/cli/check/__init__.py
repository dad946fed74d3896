"""Commands that check, explain and help."""
