"""How long caches may keep an answer (RFC 9111).  Every answer says so: without a word, some are kept for hours."""

NO_CACHE = "no-cache"
"""Cache-Control of what has an entity tag: it may be kept, and is asked about each time before it is used."""
NO_STORE = "no-store"
"""Cache-Control of everything else."""
