"""The commands of the command line, a module each.

A module has `run(arguments, environment)`.  It raises a TasksvcError for what the user can mend,
and imports what is heavy only when it runs.
"""
