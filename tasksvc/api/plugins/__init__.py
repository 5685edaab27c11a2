"""Plugins on the driving side: what extends the service beside its stores."""
