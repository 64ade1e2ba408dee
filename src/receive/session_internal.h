/* What the parts of a session share with each other and with nobody else. */
#pragma once

#include "receive/command.h"
#include "receive/content.h"
#include "receive/session.h"

typedef enum ReceiveStep {
    STEP_COMMAND, /* a line is gathered */
    STEP_LONG,    /* a line that is too long goes by */
    STEP_DATA,    /* content behind DATA */
    STEP_CHUNK,   /* content behind BDAT */
    STEP_CLOSED,  /* nothing is looked at any more */
} ReceiveStep;

/* A refusal that is said when the content has gone by. */
typedef struct ReceiveRefusal {
    int code; /* 0: none */
    char enhanced[16];
    char *text; /* NULL: memory was short for it */
} ReceiveRefusal;

/* From MAIL to the answer to its message. */
typedef struct ReceiveTransaction {
    bool has_sender;
    bool told; /* whoever is told has not been told its end */
    bool utf8; /* SMTPUTF8 was asked for */
    unsigned n_recipients, n_asked;
    bool in_chunks; /* a BDAT has come */
    uint64_t bytes;
    ReceiveContent content;
    ReceiveRefusal refusal;
} ReceiveTransaction;

struct ReceiveSession {
    char *host;
    uint64_t max_bytes;
    char *client; /* NULL: nothing was said that can be one */
    bool has_greeted, extended, is_lmtp;
    bool has_input; /* anything has come: the greeting stands */
    ReceiveStep step;
    ReceiveEvent asked; /* RECEIVE_MORE: there is nothing to answer */
    bool drops;         /* to be told next */
    bool failed;        /* memory was short for a reply */
    unsigned n_errors, n_commands;
    ReceiveTransaction transaction;
    uint64_t chunk_left;
    bool chunk_is_last;
    Buffer replies;
    Buffer parameters; /* of MAIL or RCPT, with a NUL behind them */
    size_t n_line;
    bool has_cr; /* behind the line */
    char line[RECEIVE_LINE_MAX + 1];
};

/* Says something. */
void receive_reply(ReceiveSession *s, int code, const char *enhanced, const char *text);

/* The same of a mistake, of which there may not be too many. */
void receive_wrong(ReceiveSession *s, int code, const char *enhanced, const char *text);

void receive_too_many_mistakes(ReceiveSession *s);

/* Forgets the transaction; whoever was told of it is told. */
void receive_reset(ReceiveSession *s);

/* Refuses what has come of the message and what still comes. */
void receive_void_content(ReceiveSession *s, int code, const char *enhanced, const char *text);

/* The content is there, or has gone by: RECEIVE_END to be answered, or RECEIVE_MORE. */
ReceiveEvent receive_finish_content(ReceiveSession *s);

/* Carries out the command in the line. What is to be told, or RECEIVE_MORE. */
ReceiveEvent receive_command(ReceiveSession *s, ReceivePart *ret);

/* MAIL and RCPT, with what follows the verb. */
ReceiveEvent receive_mail(ReceiveSession *s, char *text, ReceivePart *ret);
ReceiveEvent receive_rcpt(ReceiveSession *s, char *text, ReceivePart *ret);
