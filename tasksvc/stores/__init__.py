"""Parts for those who write a store."""
