"""One handler for each operation."""
