"""What a model computed for one text: the trace, and how it is written for a page."""
