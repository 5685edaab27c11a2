"""The commands of the command line, one module each, with the click command as `command`.

A command raises a TasksvcError for what its user can fix, and imports what is heavy only when it runs.
"""
