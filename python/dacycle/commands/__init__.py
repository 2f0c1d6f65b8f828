"""The subcommands of `dacycle`, one a file.

A command is a module with these names:

    SUMMARY                    one line for `dacycle --help`
    EXAMPLES                   lines for `dacycle COMMAND --help`
    add_arguments(parser)      what it takes
    run(given) -> int          does it; the exit status

`dacycle.commands.list` names them. Each is imported whenever `dacycle` starts, so what takes long
to load (xarray, matplotlib, PyTorch) is imported inside `run`.
"""
