/* A server on a thread that plays a script to each connection, one after the other, with real
 * sockets and real TLS.
 *
 * A script is lines:
 *   S: text     sends the text and CRLF; more "S:" lines behind it leave in the same write
 *   C: prefix   reads a line that must start with the prefix (any case)
 *   M:          reads up to a line with a dot alone
 *   BYTES n     reads n bytes
 *   TLS         takes part in a handshake; when that fails the connection is over
 *   CHANNEL     says in a line what the channel is known by, in hexadecimal: tls-exporter
 *               (RFC 9266), and up to TLS 1.2 tls-unique (RFC 5929) of a full handshake
 *   RENEGOTIATE begins another handshake (TLS 1.2), which the next reading goes on with
 *   NOISE       sends what is no TLS, past its layer, and waits for the client to close
 *   PAUSE ms    waits
 *   SILENCE     reads and says nothing until the client closes
 *   RESET       closes so that the client gets ECONNRESET
 *   EOF         waits for the client to close */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "certificates.h"

typedef struct TestServerOptions {
    const TestCertificate *certificate;  /* NULL: no TLS */
    const TestCertificate *intermediate; /* sent with it; or NULL */
    const char *server_name;      /* the name that the client must ask for (SNI); NULL: any */
    const char *client_authority; /* PEM file: a client certificate is demanded */
    int max_version;              /* TLS1_2_VERSION; 0: the newest */
    bool keeps_tickets;           /* gives no new ticket for one that it takes, as Postfix */
    const char *groups, *signatures, *ciphers; /* OpenSSL's lists; NULL: its own */
    const unsigned char *stapled;              /* an OCSP answer to send along, or NULL */
    size_t stapled_size;
    const TestCertificate *renegotiated; /* shown by RENEGOTIATE; NULL: the same */
    const char *address;                 /* to listen at, with `port` */
    uint16_t port;                       /* 0: 127.0.0.1, and any port */
} TestServerOptions;

typedef struct TestServer TestServer;

/* `scripts` ends with NULL; everything is borrowed until test_server_stop(). */
TestServer *test_server_start(const char *const *scripts, const TestServerOptions *options);
uint16_t test_server_port(const TestServer *server);

/* Waits for the last script's end. Ends the test when a script did not go as written. */
void test_server_stop(TestServer *server);

/* A listening socket on a port of the tests' range. */
int test_listen(int backlog, uint16_t *ret_port);

/* The same at a given address (127.0.0.2, ::1) and port; -1 when the port is taken there. */
int test_listen_at(const char *address, uint16_t port, int backlog);
