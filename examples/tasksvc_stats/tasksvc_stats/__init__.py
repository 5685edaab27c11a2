"""Shows how many tasks are open and done, and what was created and completed on the last days."""
