"""What the binaries are told: `.stack/tusou.toml`, and the same addresses as shell variables."""

import os
import shlex

from . import browser, chromium, elasticsearch, handbook, pack, paths, ports, postgres, rabbitmq, s3, stamps

SERVICES = ("crawler", "encoder", "indexer", "search", "operator")

CONFIG = """\
# Written by `make up`; edits are lost. Change one key by a variable instead: TUSOU_<SECTION>_<KEY>.

[database]
url = "{database}"

[amqp]
url = "{amqp}"

[rabbitmq]
api_url = "{rabbitmq_api}"

[elasticsearch]
url = "{elasticsearch}"

[blobs]
url = "file://{blobs}"

[models]
runtime = "{runtime}"
folder = "{models}"
packs = [{packs}]

# A crawl of this machine's own sites; no other private address is allowed.
[network]
allow = ["127.0.0.0/8"]

[crawler]
listen = "{crawler}"
host_concurrency = 8
host_delay_ms = 0
# A killed crawler's hosts are free again after this long.
lease_seconds = 15
retry_after_ms = 1000

[render]
chromium = "{chromium}"

[encoder]
listen = "{encoder}"

[indexer]
listen = "{indexer}"

[search]
listen = "{search}"
url = "http://{search}"

[operator]
listen = "{operator}"
"""


def write():
    """Writes the configuration file and the file of shell variables, both only the owner's to read."""
    values = {name: "%s:%d" % (ports.HOST, ports.port(name)) for name in SERVICES}
    text = CONFIG.format(
        database=postgres.url(),
        amqp=rabbitmq.url(),
        rabbitmq_api=rabbitmq.api_url(),
        elasticsearch=elasticsearch.url(),
        blobs=paths.BLOBS,
        runtime=paths.RUNTIME,
        models=paths.MODELS,
        packs=", ".join('"%s"' % name for name in pack.USED),
        chromium=chromium.program(),
        **values,
    )
    _replace(paths.CONFIG, text)
    _replace(paths.ENV, "".join(line + "\n" for line in exports()))
    return text


def variables():
    """Every address of the stack by the name of its variable."""
    found = {
        "TUSOU_CONFIG": str(paths.CONFIG),
        "TUSOU_DATABASE_URL": postgres.url(),
        "TUSOU_AMQP_URL": rabbitmq.url(),
        "TUSOU_RABBITMQ_API_URL": rabbitmq.api_url(),
        "TUSOU_ELASTICSEARCH_URL": elasticsearch.url(),
        "TUSOU_BLOBS_URL": "file://%s" % paths.BLOBS,
        "TUSOU_MODELS_RUNTIME": str(paths.RUNTIME),
        "TUSOU_MODELS_FOLDER": str(paths.MODELS),
        "TUSOU_MODELS_PACKS": ",".join(pack.USED),
        "TUSOU_RENDER_CHROMIUM": chromium.program(),
        "TUSOU_STAMPS": str(stamps.FOLDER),
        "TUSOU_HANDBOOK": str(handbook.FOLDER),
        "TUSOU_S3_SERVER": str(s3.PROGRAM),
    }
    found.update(browser.variables())
    for name in SERVICES:
        found["TUSOU_%s_URL" % name.upper()] = "http://%s:%d" % (ports.HOST, ports.port(name))
    return found


def exports():
    """The variables as lines for a shell's `eval`."""
    return ["export %s=%s" % (name, shlex.quote(value)) for name, value in variables().items()]


def _replace(path, text):
    part = path.with_name(path.name + ".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    part.replace(path)
