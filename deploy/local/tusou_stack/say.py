"""What the program tells a person, and the one error that it stops with."""

import sys
import threading

_lock = threading.Lock()


class StackError(Exception):
    """Something that a person has to know and can mend; its text names the thing and the remedy."""


def say(text):
    """Prints one line on standard error, whole even when several threads speak."""
    with _lock:
        sys.stderr.write("stack: " + text + "\n")
        sys.stderr.flush()
