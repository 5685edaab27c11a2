"""What each request passes before it reaches its handler."""
