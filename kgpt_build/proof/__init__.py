"""What is shown of a whole machine rather than of a part: that it boots everywhere, and that it goes on for hours."""
