"""An OAuth server of the tests' own (RFC 6749), over HTTPS: what it answers, the test decides."""

import http.server
import json
import ssl
import threading
import urllib.parse

from process import free_port


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
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        # Each connection's handshake is its own thread's affair.
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._server.handle_error = lambda *_: None
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def url(self, path="/token"):
        return f"https://localhost:{self.port}{path}"

    def grants(self, name="refresh_token"):
        """What was sent under the name, call by call."""
        return [form.get(name) for _, form in self.asked]

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
