"""Shows a crawl's progress on the screen until everything stored is searchable."""

import shutil
import sys
import time
from collections import deque

from tusou_stack.say import StackError, say

from . import operator

POLL_SECONDS = 1.0
PLAIN_SECONDS = 10.0  # between two lines where the screen is a file
STALLED_SECONDS = 180
WINDOW_SECONDS = 20


def watch(expected):
    """Returns the last status once nothing is left to do; gives up when nothing moves any more.

    `expected()` gives the true counts, or None while they are still being counted.
    """
    begun = moved = time.monotonic()
    printed = 0.0
    history = deque()
    last = None
    while True:
        now = time.monotonic()
        status = operator.status()
        seen = _numbers(status)
        if seen != last:
            last, moved = seen, now
        history.append((now, seen))
        while now - history[0][0] > WINDOW_SECONDS:
            history.popleft()
        finished = is_finished(status)
        line = _line(seen, status, history, now - begun, expected(), finished)
        if sys.stderr.isatty():
            width = shutil.get_terminal_size().columns
            sys.stderr.write("\r\x1b[K" + line[: width - 1] + ("\n" if finished else ""))
            sys.stderr.flush()
        elif finished or now - printed >= PLAIN_SECONDS:
            say(line)
            printed = now
        if finished:
            return status
        if now - moved > STALLED_SECONDS:
            raise StackError(
                "nothing has moved for %d s; see `make logs`. Last status: %s" % (STALLED_SECONDS, status)
            )
        time.sleep(POLL_SECONDS)


def is_finished(status):
    """Whether the crawl is done, and every stored picture is indexed or failed for a counted reason."""
    images = status["images"]
    settled = images["indexed"] + total(images["failed"]) + total(images["refused"]) >= images["stored"]
    return status["done"] and settled and status["outbox"] == 0 and _waiting(status) == 0


def total(reasons):
    """The sum of a table of reasons."""
    return sum(reasons.values())


def _numbers(status):
    images = status["images"]
    return {
        "pages": status["pages"]["done"],
        "settled_pages": status["pages"]["done"]
        + total(status["pages"]["failed"])
        + total(status["pages"]["skipped"]),
        "due": status["pages"]["due"] + status["image_urls"]["due"],
        "stored": images["stored"],
        "encoded": images["encoded"],
        "indexed": images["indexed"],
        "waiting": _waiting(status),
        "sightings": status["sightings"],
    }


def _waiting(status):
    """Messages in work and retry queues; a dead letter waits for nobody."""
    return sum(
        queue["ready"] + queue["unacknowledged"]
        for queue in status["queues"]
        if not queue["name"].endswith(".dead")
    )


def _line(seen, status, history, seconds, expected, finished):
    page_rate, picture_rate = _rate(history, "pages"), _rate(history, "indexed")
    queues = " ".join(
        "%s %d+%d" % (queue["name"], queue["ready"], queue["unacknowledged"])
        for queue in status["queues"]
        if not queue["name"].endswith((".dead", ".retry"))
    )
    pages = expected.pages if expected else None
    pictures = len(expected.pictures) if expected else None
    if finished:
        end = "done"
    elif status["problems"]:
        end = "; ".join(status["problems"])
    elif expected:
        end = _time_left([(pages - seen["pages"], page_rate), (pictures - seen["indexed"], picture_rate)])
    else:
        end = "time left unknown"
    parts = [
        _clock(seconds),
        "pages %d%s (%.0f/s)" % (seen["pages"], _of(pages), page_rate),
        "pictures stored %d, encoded %d," % (seen["stored"], seen["encoded"]),
        "indexed %d%s (%.0f/s)" % (seen["indexed"], _of(pictures), picture_rate),
        "queues, ready+taken: " + (queues or "-"),
        end,
    ]
    return "  ".join(parts)


def _of(whole):
    return "" if whole is None else "/%d" % whole


def _rate(history, name):
    (first, then), (last, now) = history[0], history[-1]
    return (now[name] - then[name]) / (last - first) if last > first else 0.0


def _time_left(parts):
    seconds = 0.0
    for amount, rate in parts:
        if amount > 0 and rate <= 0:
            return "time left unknown"
        if amount > 0:
            seconds = max(seconds, amount / rate)
    return "about %s left" % _clock(seconds)


def _clock(seconds):
    return "%d:%02d" % divmod(int(seconds), 60)
