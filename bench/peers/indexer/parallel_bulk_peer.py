#!/usr/bin/env python3
"""Documents into Elasticsearch by elasticsearch-py's `parallel_bulk`.

  parallel_bulk_peer.py URL INDEX DOCUMENTS VECTORS [--threads 2] [--chunk 500]

DOCUMENTS holds a document without its vector a line, as JSON; VECTORS the vectors as little-endian f32. Both are read before
the clock starts, and a vector becomes a list as numpy's `tolist` makes it. User and password come by ES_USER and ES_PASSWORD.
Prints one line of JSON: `documents`, `seconds`, `cpu_seconds`.
"""

import argparse
import array
import json
import os
import sys
import time
from pathlib import Path

from elasticsearch import Elasticsearch, helpers

FIELD = "image_embedding"


def main():
    """Writes all documents."""
    arguments = _arguments()
    user = os.environ.get("ES_USER")
    login = {"basic_auth": (user, os.environ["ES_PASSWORD"])} if user else {}
    client = Elasticsearch(arguments.url, request_timeout=120, **login)
    documents = [json.loads(line) for line in arguments.documents.read_text(encoding="utf-8").splitlines()]
    numbers = array.array("f", arguments.vectors.read_bytes())
    if sys.byteorder != "little":
        numbers.byteswap()
    dimension = len(numbers) // len(documents)
    vectors = [numbers[at * dimension : (at + 1) * dimension] for at in range(len(documents))]
    began, cpu = time.perf_counter(), time.process_time()
    results = helpers.parallel_bulk(
        client,
        (_action(arguments.index, *pair) for pair in zip(documents, vectors)),
        thread_count=arguments.threads,
        chunk_size=arguments.chunk,
    )
    written = sum(1 for good, _ in results if good)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(json.dumps({"documents": written, "seconds": seconds, "cpu_seconds": cpu}))


def _action(index, document, vector):
    return {
        "_index": index,
        "_id": document["image_id"],
        "version": document["rev"],
        "version_type": "external_gte",
        "_source": {**document, FIELD: vector.tolist()},
    }


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", help="the server")
    parser.add_argument("index", help="an index that is there")
    parser.add_argument("documents", type=Path)
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--chunk", type=int, default=500)
    return parser.parse_args()


if __name__ == "__main__":
    main()
