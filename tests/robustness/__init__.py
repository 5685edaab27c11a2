"""The service survives hostile clients, faulty adapters and jumps of the clock."""
