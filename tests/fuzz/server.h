/* A server to run a client session against, strict and of one mind: it reads each command by its
 * grammar, refuses what is out of order, and keeps what it has promised. What it offers and how it
 * answers is drawn from bytes; once they are used up it says yes to everything. It aborts where the
 * client says what it may not: before a reply it has to wait for, what was not offered, a password
 * in clear where TLS would hide it, or content that is not what a reference makes of it. It speaks
 * LMTP where the client's options say so. */
#pragma once

#include <stdbool.h>

#include "smtp/session.h"

#define SERVER_TRANSACTIONS 4
#define SERVER_RECIPIENTS 3
#define SERVER_CODES 16

/* What it has said to a transaction. */
typedef struct ServerTransaction {
    int codes[SERVER_CODES]; /* all of them */
    size_t n_codes;
    bool accepted[SERVER_RECIPIENTS];
    bool taken;                       /* its content, for those that were accepted */
    bool left_out[SERVER_RECIPIENTS]; /* with LMTP: of these, who was refused in the end */
} ServerTransaction;

typedef struct Server {
    const SmtpOptions *options;
    const uint8_t *choices, *choices_end;
    Buffer input; /* of the client's */
    Buffer output;
    Buffer content; /* so far, of the present transaction */
    unsigned offer; /* SmtpCapability */
    bool tls, greeted, is_esmtp, logged_in, closing;
    bool in_data;          /* 354 was said */
    unsigned auth_answers; /* due before the reply to AUTH */
    bool mail, spoilt;     /* in a transaction; a chunk of it was refused */
    size_t current, n_accepted;
    ServerTransaction transactions[SERVER_TRANSACTIONS];
} Server;

/* The content of a transaction, as the client is given it: lines of dots, ends of all kinds. */
const char *server_content(size_t transaction);

/* Says the greeting. */
void server_start(Server *server);

/* Reads what the client has written, all of it, and answers. */
void server_receive(Server *server, const char *data, size_t n);

/* TLS stands: what was said before counts no more. */
void server_start_tls(Server *server);
void server_done(Server *server);
