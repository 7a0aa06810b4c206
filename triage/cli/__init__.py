"""The command line. Typer lives only here; one module a command."""
