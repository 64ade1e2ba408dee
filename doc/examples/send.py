#!/usr/bin/python3
"""The same from Python, with ctypes: send.py HOST PORT FROM TO"""

import ctypes
import sys

outbox = ctypes.CDLL("liboutbox.so.1")
outbox.outbox_client_new.restype = ctypes.c_void_p
outbox.outbox_error_text.restype = ctypes.c_char_p


def main():
    client = ctypes.c_void_p(outbox.outbox_client_new())
    settings = dict(zip(("MailServer", "MailPort", "From", "SendTo"), sys.argv[1:]))
    settings |= {"tls": "opportunistic", "Subject": "Grüße", "MessageText": "Thank you.\n"}
    try:
        for name, value in settings.items():
            if outbox.outbox_set(client, name.encode(), value.encode()):
                raise SystemExit(outbox.outbox_error_text(client).decode())
        if outbox.outbox_send(client, None):
            raise SystemExit(outbox.outbox_error_text(client).decode())
    finally:
        outbox.outbox_client_free(client)


main()
