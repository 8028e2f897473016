"""A small static web server on loopback: one thread a connection, kept alive between requests."""

import functools
import http.server
import pathlib

HOST = "127.0.0.1"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files with their types, `index.html` for a folder, 404 for a folder without one."""

    protocol_version = "HTTP/1.1"
    timeout = 60  # seconds that an idle connection is kept
    wbufsize = -1  # head and body leave in one piece
    disable_nagle_algorithm = True
    extensions_map = dict(
        http.server.SimpleHTTPRequestHandler.extensions_map,
        **{".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8"},
    )

    def list_directory(self, path):
        """Refuses to list a folder."""
        del path
        self.send_error(404)

    def log_message(self, format, *arguments):  # noqa: A002  (the base class's name)
        """Keeps the log free of requests."""


class Server(http.server.ThreadingHTTPServer):
    """Takes bursts of connections, and does not wait for idle ones when it stops."""

    daemon_threads = True
    request_queue_size = 256


def serve(folder, port):
    """Serves a folder until the process is ended."""
    if not pathlib.Path(folder, "index.html").exists():
        raise SystemExit("%s has no index.html" % folder)
    with Server((HOST, port), functools.partial(Handler, directory=str(folder))) as server:
        server.serve_forever()
