/* The message that `queue` and `send` are given: composed from options, or read whole. */
#pragma once

#include <stdio.h>

#include "base/buffer.h"
#include "message/compose.h"
#include "tool/command.h"

/* Options of both commands; a command adds its own before. Values from 256 are these options'. */
#define INPUT_OPTIONS                                                                           \
    {"from", required_argument, NULL, INPUT_FROM}, {"to", required_argument, NULL, INPUT_TO},   \
        {"cc", required_argument, NULL, INPUT_CC}, {"bcc", required_argument, NULL, INPUT_BCC}, \
        {"subject", required_argument, NULL, INPUT_SUBJECT},                                    \
        {"body", required_argument, NULL, INPUT_BODY},                                          \
        {"body-file", required_argument, NULL, INPUT_BODY_FILE},                                \
        {"attach", required_argument, NULL, INPUT_ATTACH},                                      \
        {"header", required_argument, NULL, INPUT_HEADER},                                      \
        {"headers-file", required_argument, NULL, INPUT_HEADERS_FILE},                          \
        {"reply-to", required_argument, NULL, INPUT_REPLY_TO},                                  \
        {"return-path", required_argument, NULL, INPUT_RETURN_PATH},                            \
        {"date", required_argument, NULL, INPUT_DATE},                                          \
        {"message-id", required_argument, NULL, INPUT_MESSAGE_ID},                              \
        {"delivery-notification-to", required_argument, NULL, INPUT_DELIVERY_NOTIFICATION_TO},  \
        {"read-receipt-to", required_argument, NULL, INPUT_READ_RECEIPT_TO},                    \
        {"importance", required_argument, NULL, INPUT_IMPORTANCE},                              \
        {"priority", required_argument, NULL, INPUT_PRIORITY},                                  \
        {"sensitivity", required_argument, NULL, INPUT_SENSITIVITY},                            \
    {                                                                                           \
        "raw", required_argument, NULL, INPUT_RAW                                               \
    }

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

#define INPUT_HELP                                                                                 \
    "A whole message is read from standard input, or composed when one of these is given:\n"       \
    "      --from ADDRESS        sender (required), with or without a name\n"                      \
    "      --to, --cc, --bcc LIST  recipients, comma-separated; repeatable\n"                      \
    "      --subject TEXT\n"                                                                       \
    "      --body TEXT           or --body-file FILE (\"-\": standard input)\n"                    \
    "      --attach FILE         repeatable\n"                                                     \
    "      --header 'NAME: V'    appended, repeatable; an empty one first: these replace the "     \
    "header\n"                                                                                     \
    "      --headers-file FILE   the same, one a line\n"                                           \
    "      --reply-to ADDRESS, --return-path ADDRESS\n"                                            \
    "      --date DATE           \"*\": now (the default); empty: none\n"                          \
    "      --message-id ID       \"*\": generated (the default); empty: none\n"                    \
    "      --delivery-notification-to ADDRESS, --read-receipt-to ADDRESS\n"                        \
    "      --importance high|normal|low, --priority normal|urgent|non-urgent\n"                    \
    "      --sensitivity personal|private|company-confidential\n"                                  \
    "      --raw FILE            sent as it is, read from FILE instead of standard input; --from " \
    "and --to are\n"                                                                               \
    "                            its envelope then\n"

typedef struct Input Input;

int input_new(int argc, Input **ret);
void input_free(Input *input);

/* Takes one of the options above. 0 or an exit status, after having said what is wrong. */
int input_option(Input *input, const Command *command, int option, const char *value);

/* Opens the message. `recipients` (NULL-terminated) are those of the command line: for a whole
 * message they replace its own, for a composed one they are more of --to. The start of the message,
 * its whole header at least, is in `ret_start`; the rest, if any, is to be read from `ret_rest`
 * (NULL: none). It is known to be a message with sender and recipients then. 0 or an exit status,
 * after having said what is wrong. */
int input_open(
    Input *input, const Command *command, char **recipients, Buffer *ret_start, FILE **ret_rest);

DEFINE_CLEANUP(Input, input_free);
