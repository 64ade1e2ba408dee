/* The submission socket's protocol. Must never keep more of what comes than one line. */
#include "submit/protocol.h"

#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/macros.h"

static const struct {
    const char *verb;
    SubmitEvent event;
    bool in_message, takes_number;
} commands[] = {
    {"QUEUE", SUBMIT_BEGIN, false, false},
    {"DATA", SUBMIT_DATA, true, true},
    {"END", SUBMIT_END, true, false},
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

static SubmitEvent begin_piece(SubmitParser *parser, const char *argument, Failure *f)
{
    uint64_t n;

    if (!take_number(argument, &n))
        return wrong(parser, ERROR_USAGE, "DATA: a number of octets is wanted, from 1 to 2^40", f);
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
    parser->state = SUBMIT_IN_DATA;
    return SUBMIT_MORE;
}

/* A line is there, without its end. SUBMIT_MORE where there is nothing to tell. */
static SubmitEvent take_line(SubmitParser *parser, Failure *f)
{
    bool in_message = parser->state == SUBMIT_IN_MESSAGE;
    char *argument = strchr(parser->line, ' ');

    if (argument)
        *argument++ = '\0';
    for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
        if (strcmp(parser->line, commands[i].verb) != 0)
            continue;
        if (commands[i].in_message != in_message)
            return wrong(parser, ERROR_USAGE,
                in_message ? "a message has begun: DATA or END is wanted"
                           : "no message has begun: QUEUE is to come first",
                f);
        if (commands[i].takes_number != (argument != NULL) || (argument && !*argument))
            return wrong(parser, ERROR_USAGE,
                argument ? "the command takes no argument, or has an empty one"
                         : "the command wants an argument",
                f);
        if (commands[i].event == SUBMIT_DATA)
            return begin_piece(parser, argument, f);
        if (commands[i].event == SUBMIT_BEGIN)
            parser->bytes = 0;
        if (commands[i].event == SUBMIT_BEGIN || commands[i].event == SUBMIT_END)
            parser->state = in_message ? SUBMIT_AT_LINE : SUBMIT_IN_MESSAGE;
        return commands[i].event;
    }
    return wrong(parser, ERROR_USAGE, "there is no such command; QUEUE, DATA and END are", f);
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
        event = take_line(parser, f);
        if (event != SUBMIT_MORE)
            return event;
    }
}
