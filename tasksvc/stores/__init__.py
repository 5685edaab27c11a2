"""Ready-made parts for authors of stores."""
