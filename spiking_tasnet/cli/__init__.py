"""Command lines: `main` dispatches, one module a command."""
