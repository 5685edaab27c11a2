"""What the service needs of the world: stores, and the hooks that find them."""
