/* The message that `queue` and `send` are given: a whole one, read and given another envelope where
 * options name one, or one that is composed from options. */
#pragma once

#include "base/buffer.h"
#include "base/input.h"
#include "message/compose.h"
#include "message/message.h"
#include "tool/command.h"

/* What of a message is behind its start. */
typedef struct InputRest {
    int fd;             /* -1: nothing there */
    Composed *composed; /* NULL: nothing there */
} InputRest;

#define INPUT_REST_NONE ((InputRest){.fd = -1})

static inline bool input_rest_any(const InputRest *rest)
{
    return rest->fd >= 0 || rest->composed;
}

void input_rest_done(InputRest *rest);
#define _cleanup_input_rest_ _cleanup_(input_rest_done)

/* Appends the next bytes: a QueueRead of an InputRest. 1, 0 at the end, or a negative errno with a
 * Failure. */
int input_rest_read(void *rest, Buffer *out, Failure *f);

/* A NULL-terminated list of borrowed strings. */
typedef struct Words {
    const char **items;
    size_t n;
} Words;

/* What the options say. All borrowed from the command line. */
typedef struct ToolInput {
    const Tool *tool;
    Compose compose;
    Words to, cc, bcc, headers, recipients;
    const char *headers_file, *body, *body_file, *html, *html_file, *raw;
    ComposePart *parts;
    size_t n_parts;
    Words styles; /* "message.charset=...", before which those of --set come */
    Buffer sender_terms, recipient_terms; /* parameters that options say, with a NUL behind them */
    const char *lane;
    bool has_envelope; /* --from, --return-path, --to, --cc, --bcc or --recipient */
    bool has_parts;    /* an option that makes no sense for a whole message */
} ToolInput;

/* The options of both commands, beside their own. */
extern const ToolOption input_options[];

void input_done(ToolInput *input);

/* Takes one of the options above. 0 or an exit status, after having said what is wrong. */
int input_option(ToolInput *input, const Command *command, int option, const char *value);

/* What is at a path, "-" being standard input. */
ComposeSource input_source(const char *path);

/* One recipient as --recipient has it: "cc: Ann <ann@example.com> NOTIFY=NEVER". */
typedef struct InputPerson {
    ComposeKind kind;
    char *address, *options; /* NULL: none */
    char *name;              /* as it is to be read; "": none */
} InputPerson;

/* Reads it. 0, -EBADMSG or -EINVAL with a Failure, -ENOMEM; to be freed in any case. */
int input_person_read(InputPerson *person, const char *text, Failure *f);
void input_person_done(InputPerson *person);

/* Opens the message. `recipients` (NULL-terminated) are those of the command line: for a whole
 * message they replace its own, for a composed one they are more of --to. The start of the message,
 * its whole header at least, is in `ret_start`, and what is behind it in `ret_rest`, which the
 * caller closes. 0 or an exit status, after having said what is wrong. */
int input_open(const ToolInput *input, const Command *command, char **recipients, Buffer *ret_start,
    InputRest *ret_rest);

/* The same for the whole message in `path` (NULL: standard input), but quietly: 0 or a negative
 * errno with a Failure. */
int input_open_file(const ToolInput *input, const char *path, char **recipients, Buffer *ret_start,
    InputRest *ret_rest, Failure *f);

/* Reads the start of a file alone, as it is (at least a byte). */
int input_read_start(const char *path, Buffer *ret_start, InputRest *ret_rest, Failure *f);

/* Looks at the start as the daemon will at the whole, so that who queues garbage hears it at once:
 * 0 with the message, whose header alone counts and which borrows `bytes` and `start`; or a
 * negative errno with a Failure. `asked` as of message_open_as(). */
int input_check(const Buffer *start, bool more, const Envelope *asked, InputMemory *bytes,
    Message **ret_message, Failure *f);

/* Says what is wrong with the message, and which file it is. Returns the exit status. */
int input_fail(const ToolInput *input, const Failure *f);

/* Composes. 0 or an exit status, after having said what is wrong. */
int input_compose(const ToolInput *input, const Command *command, char **recipients,
    Buffer *ret_start, InputRest *ret_rest);
