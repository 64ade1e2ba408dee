/* The submission socket's protocol. Must never keep more of what comes than one line. */
#include "submit/protocol.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/macros.h"

/* What may be said in a state. What follows it is the same state unless `next` says otherwise. */
static const struct {
    const char *verb;
    SubmitEvent event;
    int state, next;
    enum { NO_ARGUMENT, NUMBER, TEXT } argument;
} commands[] = {
    {"QUEUE", SUBMIT_BEGIN, SUBMIT_AT_LINE, SUBMIT_IN_MESSAGE, NO_ARGUMENT},
    {"KEY", SUBMIT_KEY, SUBMIT_IN_MESSAGE, SUBMIT_IN_MESSAGE, TEXT},
    {"DATA", SUBMIT_DATA, SUBMIT_IN_MESSAGE, SUBMIT_IN_DATA, NUMBER},
    {"END", SUBMIT_END, SUBMIT_IN_MESSAGE, SUBMIT_AT_LINE, NO_ARGUMENT},
    {"ASK", SUBMIT_ASK, SUBMIT_AT_LINE, SUBMIT_IN_QUESTION, NO_ARGUMENT},
    {"COLUMNS", SUBMIT_COLUMNS, SUBMIT_IN_QUESTION, SUBMIT_IN_QUESTION, NUMBER},
    {"COLOR", SUBMIT_COLOR, SUBMIT_IN_QUESTION, SUBMIT_IN_QUESTION, NO_ARGUMENT},
    {"ARGUMENT", SUBMIT_ARGUMENT, SUBMIT_IN_QUESTION, SUBMIT_IN_QUESTION, TEXT},
    {"RUN", SUBMIT_RUN, SUBMIT_IN_QUESTION, SUBMIT_AT_LINE, NO_ARGUMENT},
};

void submit_parser_init(SubmitParser *parser, uint64_t max_bytes)
{
    *parser = (SubmitParser){.state = SUBMIT_AT_LINE, .max_bytes = max_bytes};
}

bool submit_parser_is_idle(const SubmitParser *parser)
{
    return parser->state == SUBMIT_AT_LINE && parser->n_line == 0;
}

static SubmitEvent wrong(SubmitParser *parser, int number, const char *text, Failure *f)
{
    parser->state = SUBMIT_BROKEN;
    (void)failure_set(f, -EBADMSG, number, "%s", text);
    return SUBMIT_WRONG;
}

/* Digits alone, the first no zero. */
static bool take_number(const char *text, uint64_t *ret)
{
    *ret = 0;
    if (*text < '1' || *text > '9')
        return false;
    for (; *text >= '0' && *text <= '9' && *ret <= SUBMIT_PIECE_MAX; text++)
        *ret = *ret * 10 + (uint64_t)(*text - '0');
    return !*text && *ret <= SUBMIT_PIECE_MAX;
}

static SubmitEvent begin_piece(SubmitParser *parser, uint64_t n, Failure *f)
{
    parser->bytes += n;
    if (parser->max_bytes > 0 && parser->bytes > parser->max_bytes) {
        parser->state = SUBMIT_BROKEN;
        (void)failure_set(f, -EFBIG, ERROR_MESSAGE,
            "the message is larger than the %llu bytes that spool.submit_max_size allows; nothing "
            "was queued",
            (unsigned long long)parser->max_bytes);
        return SUBMIT_WRONG;
    }
    parser->left = n;
    return SUBMIT_MORE;
}

static SubmitEvent out_of_order(SubmitParser *parser, Failure *f)
{
    switch (parser->state) {
    case SUBMIT_IN_MESSAGE:
        return wrong(parser, ERROR_USAGE, "a message has begun: DATA or END is wanted", f);
    case SUBMIT_IN_QUESTION:
        return wrong(parser, ERROR_USAGE, "a question has begun: ARGUMENT or RUN is wanted", f);
    default:
        return wrong(parser, ERROR_USAGE,
            "no message and no question has begun: QUEUE or ASK is to come first", f);
    }
}

/* The argument of that command is there. */
static SubmitEvent take_argument(
    SubmitParser *parser, SubmitEvent event, const char *argument, SubmitPart *ret, Failure *f)
{
    uint64_t number = 0;

    if (event == SUBMIT_ARGUMENT) {
        if (++parser->n_arguments > SUBMIT_ARGUMENTS_MAX)
            return wrong(parser, ERROR_USAGE, "a question has 256 arguments at most", f);
    }
    if (event == SUBMIT_KEY && strlen(argument) > SUBMIT_KEY_MAX)
        return wrong(parser, ERROR_USAGE, "a key has 480 octets at most", f);
    if (event == SUBMIT_ARGUMENT || event == SUBMIT_KEY) {
        *ret = (SubmitPart){.data = argument, .n = strlen(argument)};
        return event;
    }
    if (!take_number(argument, &number))
        return wrong(parser, ERROR_USAGE, "a number is wanted, from 1 to 2^40", f);
    if (event == SUBMIT_DATA)
        return begin_piece(parser, number, f);
    ret->n = number;
    return event;
}

static SubmitEvent take_command(
    SubmitParser *parser, size_t i, const char *argument, SubmitPart *ret, Failure *f)
{
    SubmitEvent event = commands[i].event;

    if (commands[i].state != (int)parser->state)
        return out_of_order(parser, f);
    if ((commands[i].argument != NO_ARGUMENT) != (argument != NULL) || (argument && !*argument))
        return wrong(parser, ERROR_USAGE,
            argument ? "the command takes no argument, or has an empty one"
                     : "the command wants an argument",
            f);
    if (event == SUBMIT_BEGIN || event == SUBMIT_ASK)
        parser->bytes = parser->n_arguments = 0;
    if (argument)
        event = take_argument(parser, event, argument, ret, f);
    if (event != SUBMIT_WRONG)
        parser->state = commands[i].next;
    return event;
}

/* A line is there, without its end. SUBMIT_MORE where there is nothing to tell. */
static SubmitEvent take_line(SubmitParser *parser, SubmitPart *ret, Failure *f)
{
    char *argument = strchr(parser->line, ' ');

    if (argument)
        *argument++ = '\0';
    for (size_t i = 0; i < ELEMENTSOF(commands); i++)
        if (strcmp(parser->line, commands[i].verb) == 0)
            return take_command(parser, i, argument, ret, f);
    return wrong(parser, ERROR_USAGE, "there is no such command; QUEUE, DATA, END and ASK are", f);
}

/* Gathers a line. Whether it is whole; *ret is SUBMIT_WRONG where it never can be. */
static bool gather(SubmitParser *parser, const char **data, size_t *n, SubmitEvent *ret, Failure *f)
{
    while (*n > 0) {
        char c = **data;

        ++*data;
        --*n;
        if (c == '\n') {
            if (parser->n_line > 0 && parser->line[parser->n_line - 1] == '\r')
                parser->n_line--;
            parser->line[parser->n_line] = '\0';
            parser->n_line = 0;
            if (strchr(parser->line, '\r')) {
                *ret = wrong(parser, ERROR_USAGE, "a line holds a control character", f);
                return false;
            }
            return true;
        }
        if (((unsigned char)c < ' ' && c != '\r') || c == 0x7f) {
            *ret = wrong(parser, ERROR_USAGE, "a line holds a control character", f);
            return false;
        }
        if (parser->n_line + 1 >= SUBMIT_LINE_MAX) {
            *ret = wrong(parser, ERROR_USAGE, "a line is longer than 512 octets", f);
            return false;
        }
        parser->line[parser->n_line++] = c;
    }
    *ret = SUBMIT_MORE;
    return false;
}

SubmitEvent submit_parse(
    SubmitParser *parser, const char **data, size_t *n, SubmitPart *ret, Failure *f)
{
    SubmitEvent event = SUBMIT_MORE;

    *ret = (SubmitPart){0};
    if (parser->state == SUBMIT_BROKEN)
        return wrong(parser, ERROR_USAGE, "what came before could not be understood", f);
    for (;;) {
        if (parser->state == SUBMIT_IN_DATA && *n > 0) {
            size_t piece = (size_t)MIN(parser->left, (uint64_t)*n);

            *ret = (SubmitPart){.data = *data, .n = piece};
            *data += piece;
            *n -= piece;
            parser->left -= piece;
            if (parser->left == 0)
                parser->state = SUBMIT_IN_MESSAGE;
            return SUBMIT_DATA;
        }
        if (!gather(parser, data, n, &event, f))
            return event;
        event = take_line(parser, ret, f);
        if (event != SUBMIT_MORE)
            return event;
    }
}
