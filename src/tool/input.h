/* The message that `queue` and `send` are given: a whole one, read and given another envelope where
 * options name one, or one that is composed from options. */
#pragma once

#include "base/buffer.h"
#include "base/input.h"
#include "message/compose.h"
#include "message/message.h"
#include "tool/command.h"

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
    bool has_envelope; /* --from, --return-path, --to, --cc or --bcc */
    bool has_parts;    /* an option that makes no sense for a whole message */
} ToolInput;

/* Options of both commands; a command adds its own before. */
enum {
    INPUT_FROM = 256,
    INPUT_TO,
    INPUT_CC,
    INPUT_BCC,
    INPUT_SUBJECT,
    INPUT_BODY,
    INPUT_BODY_FILE,
    INPUT_ATTACH,
    INPUT_HEADER,
    INPUT_HEADERS_FILE,
    INPUT_REPLY_TO,
    INPUT_RETURN_PATH,
    INPUT_DATE,
    INPUT_MESSAGE_ID,
    INPUT_DELIVERY_NOTIFICATION_TO,
    INPUT_READ_RECEIPT_TO,
    INPUT_IMPORTANCE,
    INPUT_PRIORITY,
    INPUT_SENSITIVITY,
    INPUT_RAW,
};

#define INPUT_OPTION(name, value)            \
    {                                        \
        name, required_argument, NULL, value \
    }
#define INPUT_OPTIONS                                                                             \
    INPUT_OPTION("from", INPUT_FROM), INPUT_OPTION("to", INPUT_TO), INPUT_OPTION("cc", INPUT_CC), \
        INPUT_OPTION("bcc", INPUT_BCC), INPUT_OPTION("subject", INPUT_SUBJECT),                   \
        INPUT_OPTION("body", INPUT_BODY), INPUT_OPTION("body-file", INPUT_BODY_FILE),             \
        INPUT_OPTION("attach", INPUT_ATTACH), INPUT_OPTION("header", INPUT_HEADER),               \
        INPUT_OPTION("headers-file", INPUT_HEADERS_FILE),                                         \
        INPUT_OPTION("reply-to", INPUT_REPLY_TO), INPUT_OPTION("return-path", INPUT_RETURN_PATH), \
        INPUT_OPTION("date", INPUT_DATE), INPUT_OPTION("message-id", INPUT_MESSAGE_ID),           \
        INPUT_OPTION("delivery-notification-to", INPUT_DELIVERY_NOTIFICATION_TO),                 \
        INPUT_OPTION("read-receipt-to", INPUT_READ_RECEIPT_TO),                                   \
        INPUT_OPTION("importance", INPUT_IMPORTANCE), INPUT_OPTION("priority", INPUT_PRIORITY),   \
        INPUT_OPTION("sensitivity", INPUT_SENSITIVITY), INPUT_OPTION("raw", INPUT_RAW)

#define INPUT_HELP                                                                                \
    "A whole message is read from standard input; recipients that are given as arguments take\n"  \
    "the place of its own. Or it is composed, when one of these is given:\n"                      \
    "      --from ADDRESS         sender, with or without a name; required\n"                     \
    "      --to, --cc, --bcc LIST recipients, comma-separated; repeatable\n"                      \
    "      --subject TEXT\n"                                                                      \
    "      --body TEXT            the text; without it, standard input is the text\n"             \
    "      --body-file FILE       the text is in this file\n"                                     \
    "      --attach FILE          attach a file; repeatable\n"                                    \
    "      --header 'NAME: VALUE' append a header field; repeatable. After an empty first one,\n" \
    "                             the others replace the computed header\n"                       \
    "      --headers-file FILE    the same, one a line\n"                                         \
    "      --reply-to ADDRESS     where answers go\n"                                             \
    "      --return-path ADDRESS  where notices of failure go; without it, to --from\n"           \
    "      --date DATE            \"*\": now (the default); empty: none\n"                        \
    "      --message-id ID        \"*\": a generated one (the default); empty: none\n"            \
    "      --delivery-notification-to ADDRESS, --read-receipt-to ADDRESS\n"                       \
    "                             ask for receipts\n"                                             \
    "      --importance high|normal|low\n"                                                        \
    "      --priority normal|urgent|non-urgent\n"                                                 \
    "      --sensitivity personal|private|company-confidential\n"                                 \
    "Or it is sent as it stands in a file, with another envelope if you want:\n"                  \
    "      --raw FILE             this file; \"-\" is standard input\n"                           \
    "      --from, --return-path  its sender, instead of its own\n"                               \
    "      --to, --cc, --bcc      its recipients, instead of its own\n"

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
