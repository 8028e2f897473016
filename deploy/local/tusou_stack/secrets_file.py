"""The stack's passwords: made at random once, readable by the owner of the checkout only."""

import json
import os
import secrets

from . import paths

USER = "tusou"
_NAMES = ("database", "amqp", "erlang_cookie")


def password(name):
    """The password called `name`."""
    return _all()[name]


def _all():
    try:
        return json.loads(paths.SECRETS.read_text())
    except FileNotFoundError:
        made = {name: secrets.token_hex(12) for name in _NAMES}
        part = paths.SECRETS.with_suffix(".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(made, file)
        part.replace(paths.SECRETS)
        return made
