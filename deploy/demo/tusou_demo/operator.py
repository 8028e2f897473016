"""Asks Tusou as its operator does: by the command `tusou`, and by Elasticsearch's own counts."""

import json
import subprocess
import urllib.error
import urllib.request

from tusou_stack import elasticsearch, paths
from tusou_stack.say import StackError

ALIAS = "my-image-embeddings"


def tusou(*words, show=False):
    """Runs `tusou` and returns what it printed; with `show`, the person sees it instead."""
    command = [str(paths.BINARIES / "tusou"), "--config", str(paths.CONFIG)] + [str(word) for word in words]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=None if show else subprocess.PIPE,
        stderr=None if show else subprocess.STDOUT,
        timeout=120,
    )
    output = "" if show else done.stdout.decode("utf-8", "replace")
    if done.returncode != 0:
        raise StackError("`%s` failed (exit %d) %s" % (" ".join(command), done.returncode, output.strip()))
    return output


def status():
    """The whole of `tusou status --json`."""
    command = [str(paths.BINARIES / "tusou"), "--config", str(paths.CONFIG), "status", "--json"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120
    )
    if done.returncode != 0:
        raise StackError("`tusou status --json` failed: %s" % done.stderr.decode("utf-8", "replace").strip())
    return json.loads(done.stdout)


def documents(ids=None):
    """How many documents Elasticsearch finds behind the alias: all, or those of the given ids."""
    _post("_refresh")
    query = {"match_all": {}} if ids is None else {"ids": {"values": sorted(ids)}}
    return _post("_count", {"query": query})["count"]


def _post(action, body=None):
    request = urllib.request.Request(
        "%s/%s/%s" % (elasticsearch.url(), ALIAS, action),
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        said = error.read(500).decode("utf-8", "replace")
        raise StackError("Elasticsearch answered %d to %s: %s" % (error.code, request.full_url, said))
    except OSError as error:
        raise StackError("Elasticsearch did not answer %s: %s" % (request.full_url, error))
