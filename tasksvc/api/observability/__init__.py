"""What operators see: the access log, request ids, metrics."""
