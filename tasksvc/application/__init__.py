"""What the service does, for whichever way in: over HTTP, from the command line, or embedded."""
