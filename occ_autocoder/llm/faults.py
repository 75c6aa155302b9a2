"""What can go wrong with a language model: one call, or the whole run, which can then be started again."""


class Fault(Exception):
    """A call without a reply.

    Args:
        retry_after: the seconds after which the server wants to be asked again.
        final: the request is at fault, and asking again is useless.
        counted: it is one of the request's attempts; a server that is busy says nothing about the request.
        paid: the server may have worked for it, though nothing came back.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float = 0.0,
        final: bool = False,
        counted: bool = True,
        paid: bool = False,
    ):
        super().__init__(message)
        self.retry_after, self.final, self.counted, self.paid = retry_after, final, counted, paid


class RunStopped(RuntimeError):
    """A run that ended before its last request. What was answered is kept: the same call again goes on from there."""


class EndpointDown(RunStopped):
    """Nothing that could be used came back for too long."""


class EndpointRefused(RunStopped):
    """The endpoint refuses every request: a wrong key, address or model."""


class BudgetSpent(RunStopped):
    """The money or the tokens are spent."""


class RunLocked(RunStopped):
    """Another run is writing to the folder."""
