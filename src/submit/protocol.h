/* What a program says to the submission socket (doc/submit.md), read without I/O: lines, and the
 * octets of messages, which are passed on as they come and never gathered. A question is lines
 * alone.
 *
 * A line is text without control characters, ended by LF or CR LF. Whatever comes, the parser
 * takes it in time linear in it and in constant memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

#define SUBMIT_LINE_MAX 512                  /* octets of a line, with its end */
#define SUBMIT_PIECE_MAX (UINT64_C(1) << 40) /* octets of one DATA */
#define SUBMIT_ARGUMENTS_MAX 256             /* of one question */
#define SUBMIT_KEY_MAX 480 /* octets, so that it fits beside the user in the database */

typedef enum SubmitEvent {
    SUBMIT_MORE,     /* all octets are used up, and more are wanted */
    SUBMIT_BEGIN,    /* QUEUE: a message begins */
    SUBMIT_KEY,      /* what makes a second message with it none */
    SUBMIT_DATA,     /* octets of it */
    SUBMIT_END,      /* END: it is complete */
    SUBMIT_ASK,      /* ASK: a question begins */
    SUBMIT_COLUMNS,  /* of the terminal that the answer is for */
    SUBMIT_COLOR,    /* and that it shows colours */
    SUBMIT_ARGUMENT, /* a word of the question */
    SUBMIT_RUN,      /* it is complete */
    SUBMIT_WRONG,    /* what follows cannot be understood: the connection is to end */
} SubmitEvent;

typedef struct SubmitParser {
    enum {
        SUBMIT_AT_LINE,
        SUBMIT_IN_MESSAGE,
        SUBMIT_IN_DATA,
        SUBMIT_IN_QUESTION,
        SUBMIT_BROKEN,
    } state;
    uint64_t left;      /* of the octets of a DATA */
    uint64_t bytes;     /* of the message, those announced included */
    uint64_t max_bytes; /* that a message may have; 0: any number */
    unsigned n_arguments;
    size_t n_line;
    char line[SUBMIT_LINE_MAX + 1];
} SubmitParser;

/* What goes with an event: borrowed until the next call. */
typedef struct SubmitPart {
    const char
        *data; /* SUBMIT_DATA: in what was given; SUBMIT_ARGUMENT, SUBMIT_KEY: with NUL behind it */
    size_t n;  /* its octets; SUBMIT_COLUMNS: how many */
} SubmitPart;

void submit_parser_init(SubmitParser *parser, uint64_t max_bytes);

/* Takes octets off the front of what is given until there is something to tell. With SUBMIT_WRONG
 * the Failure says what is wrong; so does every further call. */
SubmitEvent submit_parse(
    SubmitParser *parser, const char **data, size_t *n, SubmitPart *ret, Failure *f);

/* Whether the connection may end here: no message and no line has begun. */
bool submit_parser_is_idle(const SubmitParser *parser);
