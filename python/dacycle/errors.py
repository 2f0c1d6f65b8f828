"""What can go wrong for a reason the user can mend: each has a message of one line."""

LONGEST = 200
"""Letters of a line of PyTorch's that are quoted."""


class DacycleError(Exception):
    """Any error that dacycle raises about its input, its files or its program."""


class NamelistError(DacycleError):
    """A namelist that cannot be read or written."""


class ProgramError(DacycleError):
    """The program `da_cycle` or `mpirun` is not there or cannot be started."""


class RunFileError(DacycleError):
    """A file that is missing, or is no output of `da_cycle`."""


class BackgroundError(DacycleError):
    """A background covariance that cannot be estimated from a run, or not be written."""


class SweepError(DacycleError):
    """A sweep that cannot be made: its file is wrong, or its folder holds another one."""


class RunError(DacycleError):
    """A run that ended before its time.

    Attributes:
        status: exit status of the program: 2 for bad input, 1 for a failure while running, 3 for
            a lost ensemble, 143 for a stop by SIGTERM after a checkpoint; negative for a signal, as
            in `subprocess`.
        message: the program's own line on what was wrong.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message

    def __str__(self) -> str:
        return self.message


class LostWarning(UserWarning):
    """A run whose ensemble was not finite any more; its file is complete all the same."""


class TrainingError(DacycleError):
    """A training that cannot be made or gone on with: its file is wrong, or its folder's."""


class NetworkFileError(DacycleError):
    """A file that is no exported network, or one that is unfit for its use."""


def one_line(error: BaseException) -> str:
    """What PyTorch says of an error, without its tracebacks."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    # The interpreter of TorchScript says last what went wrong, its compiler first.
    line = lines[-1 if "TorchScript interpreter" in lines[0] else 0]
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} …"
