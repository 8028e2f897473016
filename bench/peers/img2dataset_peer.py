"""img2dataset over a list of URLs: `img2dataset_peer.py LIST FOLDER`.

The bytes are kept as they came: no resizing, no new compression. Prints as JSON what was done, the
processor time of its worker processes and of their start included.
"""

import json
import pathlib
import resource
import sys
import time

from img2dataset import download

LIST, FOLDER = sys.argv[1], sys.argv[2]


def main():
    """Downloads the list."""
    began = time.monotonic()
    download(
        url_list=LIST,
        input_format="txt",
        output_folder=FOLDER,
        output_format="files",
        resize_mode="no",
        disable_all_reencoding=True,
        processes_count=2,
        thread_count=16,
        number_sample_per_shard=500,
        retries=0,
        enable_wandb=False,
    )
    seconds = time.monotonic() - began
    stats = [json.loads(file.read_text()) for file in pathlib.Path(FOLDER).glob("*_stats.json")]
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    report = {
        "pictures": sum(shard["successes"] for shard in stats),
        "seconds": seconds,
        "cpu_seconds": sum(usage.ru_utime + usage.ru_stime for usage in usages),
    }
    print(json.dumps(report))


# Its workers import this file again.
if __name__ == "__main__":
    main()
