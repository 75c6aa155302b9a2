"""How a call ended, as the journal keeps it."""

from dataclasses import asdict

from .faults import Fault
from .replies import BadReply, Truncated, parse_reply
from .request import Completion, Request


def judge(completion: Completion, request: Request) -> tuple[dict, object]:
    """The "end" entry of a reply, and its value; None, with the fault in the entry, for one that is not accepted."""
    try:
        value, fault = parse_reply(completion, request), ""
    except (BadReply, Truncated) as error:
        value, fault = None, str(error)
    return {**ended(fault), "completion": asdict(completion)}, value


def end_of_fault(fault: Fault) -> dict:
    """The "end" entry of a call without a reply."""
    return ended(str(fault) or type(fault).__name__, final=fault.final, counted=fault.counted, paid=fault.paid)


def ended(fault: str, final: bool = False, counted: bool = True, paid: bool = False) -> dict:
    """An "end" entry without a completion."""
    entry = {"event": "end", "fault": fault, "final": final, "counted": counted, "paid": paid}
    return entry | {"completion": None}
