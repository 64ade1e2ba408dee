/* The message that `queue` and `send` are given: a whole one, read and given another envelope where
 * options name one, or one that is composed from options. */
#pragma once

#include "base/buffer.h"
#include "base/input.h"
#include "message/compose.h"
#include "message/message.h"
#include "tool/command.h"

#define CHOICE_MAX 24

/* A NULL-terminated list of borrowed strings. */
typedef struct Words {
    const char **items;
    size_t n;
} Words;

/* What the options say. All borrowed from the command line. */
typedef struct ToolInput {
    const Tool *tool;
    Compose compose;
    Words to, cc, bcc, headers, attachments;
    const char *headers_file, *body_file, *raw;
    char importance[CHOICE_MAX], priority[CHOICE_MAX], sensitivity[CHOICE_MAX];
    Buffer sender_terms, recipient_terms; /* parameters that options say, with a NUL behind them */
    bool has_envelope;                    /* --from, --return-path, --to, --cc or --bcc */
    bool has_parts;                       /* an option that makes no sense for a whole message */
} ToolInput;

/* The options of both commands, beside their own. */
extern const ToolOption input_options[];

void input_done(ToolInput *input);

/* Takes one of the options above. 0 or an exit status, after having said what is wrong. */
int input_option(ToolInput *input, const Command *command, int option, const char *value);

/* Opens the message. `recipients` (NULL-terminated) are those of the command line: for a whole
 * message they replace its own, for a composed one they are more of --to. The start of the message,
 * its whole header at least, is in `ret_start`; the rest is to be read from `ret_rest` (-1: there
 * is none), which the caller closes. 0 or an exit status, after having said what is wrong. */
int input_open(const ToolInput *input, const Command *command, char **recipients, Buffer *ret_start,
    int *ret_rest);

/* The same for the whole message in `path` (NULL: standard input), but quietly: 0 or a negative
 * errno with a Failure. */
int input_open_file(const ToolInput *input, const char *path, char **recipients, Buffer *ret_start,
    int *ret_rest, Failure *f);

/* Reads the start of a file alone, as it is (at least a byte). */
int input_read_start(const char *path, Buffer *ret_start, int *ret_rest, Failure *f);

/* Looks at the start as the daemon will at the whole, so that who queues garbage hears it at once:
 * 0 with the message, whose header alone counts and which borrows `bytes` and `start`; or a
 * negative errno with a Failure. `asked` as of message_open_as(). */
int input_check(const Buffer *start, int rest, const Envelope *asked, InputMemory *bytes,
    Message **ret_message, Failure *f);

/* Says what is wrong with the message, and which file it is. Returns the exit status. */
int input_fail(const ToolInput *input, const Failure *f);

/* Composes. 0 or an exit status, after having said what is wrong. */
int input_compose(const ToolInput *input, char **recipients, Buffer *ret_message);
