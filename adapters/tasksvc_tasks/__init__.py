"""The commands for people: `tasksvc add`, `tasksvc ls` and so on, over the API of a service alone.

Each module of tasksvc_tasks.commands has one of them, as `command`.  An entry point of the group `tasksvc.commands`
names it, and it's imported only when it is used.
"""
