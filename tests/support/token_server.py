"""An OAuth server of the tests' own (RFC 6749), over HTTPS: what it answers, the test decides."""

import http.server
import json
import ssl
import threading
import urllib.parse

from process import free_port, loopback


class TokenServer:
    """`answer(path, form)` gives a status and a dict, or bytes as they are, and perhaps a Location; `asked` has every (path, form)."""

    def __init__(self, certificates, answer, certificate="localhost"):
        self.port = free_port()
        self.asked = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode("ascii")
                form = dict(urllib.parse.parse_qsl(body, strict_parsing=True))
                server.asked.append((self.path, form))
                status, content, *location = server.answer(self.path, form)
                self.close_connection = True
                if isinstance(content, bytes):
                    self.wfile.write(content)
                    return
                content = json.dumps(content).encode("utf-8")
                self.send_response(status)
                self.send_header("Content-Type", "application/json;charset=UTF-8")
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Location", *location or ["https://elsewhere.lab.test/token"])
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.answer = answer
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.certificate(certificate), certificates.key(certificate))
        self._servers = [self._serve(Handler, context, *place) for place in loopback()]

    def _serve(self, handler, context, address, family):
        """At one address, in a thread; each connection's handshake is its own thread's affair."""
        kind = type("Server", (http.server.ThreadingHTTPServer,), {"address_family": family})
        server = kind((address, self.port), handler)
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.handle_error = lambda *_: None
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        return server, thread

    def url(self, path="/token"):
        return f"https://localhost:{self.port}{path}"

    def grants(self, name="refresh_token"):
        """What was sent under the name, call by call."""
        return [form.get(name) for _, form in self.asked]

    def close(self):
        for server, thread in self._servers:
            server.shutdown()
            server.server_close()
            thread.join()
