"""Training runs in processes of their own, forked from one that has everything imported, so that each starts at once.

`python training_runs.py ENCODER` reads lines of JSON, {"output": folder, "arguments": {...}}; for each it forks a
process that trains the tiny model in the folder, and answers with its process id, then with how it ended.
"""

import json
import os
import sys
import traceback


def serve(encoder: str) -> None:
    """Answer every line of the input; only the forked processes compute, so that a fork finds no threads."""
    from datasets import Dataset
    from tiny import tiny_arguments, tiny_records, tiny_taxonomy

    from occ_autocoder.data.records import RECORD_FEATURES
    from occ_autocoder.training.train import train

    print("ready", flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        process = os.fork()
        if process:
            print(process, flush=True)
            print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
            continue
        try:
            records = Dataset.from_list(tiny_records(), features=RECORD_FEATURES)
            arguments = tiny_arguments(encoder, **wanted["arguments"])
            train(tiny_taxonomy(), records, arguments, wanted["output"], cache=wanted["output"] + "-cache")
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
