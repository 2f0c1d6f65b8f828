"""Subcommands of `dacycle`: arguments and what is done; what loads slowly is loaded inside."""
