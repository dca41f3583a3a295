"""Runs from the command line: settings, folders, processes, the summary at the end."""
