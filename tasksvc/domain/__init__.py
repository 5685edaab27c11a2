"""The rules of tasks, which know neither a store nor HTTP."""
