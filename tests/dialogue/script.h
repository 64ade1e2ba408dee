/* Reads dialogue scripts; README.md beside it describes them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "smtp/session.h"

typedef enum LineKind {
    LINE_CLIENT, /* C: */
    LINE_SERVER, /* S:, RAW, REPEAT */
    LINE_EVENT,  /* EVENT: */
    LINE_TRACE,  /* TRACE: */
    LINE_SUBMIT,
    LINE_TLS,
    LINE_TIME,
    LINE_CLOSE,
    LINE_QUIT,
    LINE_COMMAND,
    LINE_STALL,
    LINE_IDLE,
} LineKind;

typedef struct Submission {
    SmtpTransaction transaction;
    SmtpRecipient *recipients;
    const char *body;
    size_t body_size;
    size_t pieces;     /* bytes of content handed over at once; 0: all */
    const char *abort; /* after the body the content cannot be had, for this reason */
    struct Submission *next;
} Submission;

typedef struct ScriptLine {
    LineKind kind;
    unsigned number; /* in the file */
    char *text;      /* LINE_SERVER: the bytes */
    size_t size;     /* of the text */
    usec_t time;
    Submission *submission;
} ScriptLine;

typedef struct Script {
    const char *path;
    bool whole_only; /* not byte by byte */
    SmtpOptions options;
    Secret *secret;
    ScriptLine *lines;
    size_t n_lines;
    Buffer memory; /* pointers to what the options and submissions hold */
} Script;

/* Reads the file; exits with a message when it is not a script. */
void script_load(Script *script, const char *path);
void script_done(Script *script);
