"""What a hostile or unlucky world does to the service, and that it goes on."""
