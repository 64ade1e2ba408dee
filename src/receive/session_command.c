/* Commands and their order (RFC 5321, 4.1.4). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/macros.h"
#include "base/text.h"
#include "receive/session_internal.h"

/* ---- greetings ---- */

/* A domain or an address literal, by the characters that these have. */
static bool is_host(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]");

    return n > 0 && n <= 255 && !text[n];
}

/* Whether the client said who it is; what was begun is over. */
static bool greet(ReceiveSession *s, const char *client)
{
    if (!*client) {
        receive_wrong(s, 501, "5.5.4", "the name of the client is missing");
        return false;
    }
    receive_reset(s);
    free(s->client);
    s->client = is_host(client) ? strdup(client) : NULL;
    return true;
}

static void list_extensions(ReceiveSession *s)
{
    int r = buffer_appendf(&s->replies,
        "250-%s\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-SIZE %llu\r\n250-DSN\r\n"
        "250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n250-LIMITS RCPTMAX=%d\r\n250 HELP\r\n",
        s->host, (unsigned long long)s->max_bytes, RECEIVE_RECIPIENTS_MAX);

    s->failed |= r < 0;
}

static void say_helo(ReceiveSession *s, const char *client)
{
    if (!greet(s, client))
        return;
    s->extended = s->is_lmtp = false;
    s->has_greeted = true;
    receive_reply(s, 250, NULL, s->host);
}

static void say_ehlo(ReceiveSession *s, const char *client)
{
    if (!greet(s, client))
        return;
    s->extended = s->has_greeted = true;
    s->is_lmtp = false;
    list_extensions(s);
}

static void say_lhlo(ReceiveSession *s, const char *client)
{
    if (!greet(s, client))
        return;
    s->extended = s->is_lmtp = s->has_greeted = true;
    list_extensions(s);
}

/* ---- content ---- */

/* Whether there is a transaction with a recipient; else `*ret_code` and the text say what is
 * missing. */
static const char *find_obstacle(const ReceiveSession *s, int *ret_code)
{
    const ReceiveTransaction *t = &s->transaction;

    *ret_code = 503;
    if (!t->has_sender)
        return "MAIL comes first";
    if (t->n_recipients == 0 && t->n_asked > 0) {
        *ret_code = 554;
        return "no recipient was accepted";
    }
    return t->n_recipients == 0 ? "RCPT comes first" : NULL;
}

static void say_data(ReceiveSession *s, _unused_ const char *argument)
{
    int code;
    const char *obstacle = find_obstacle(s, &code);

    if (s->transaction.in_chunks)
        receive_wrong(s, 503, "5.5.1", "the message has begun with BDAT");
    else if (obstacle)
        receive_wrong(s, code, "5.5.1", obstacle);
    else {
        receive_reply(s, 354, NULL, "end the message with a dot on a line of its own");
        s->step = STEP_DATA;
    }
}

/* The octets come whatever is answered. */
static void say_bdat(ReceiveSession *s, const char *argument)
{
    unsigned long long n;
    const char *obstacle;
    bool last;
    int code;

    if (!receive_parse_chunk(argument, &n, &last)) {
        receive_session_close(s, 501, "5.5.4",
            "BDAT wants a number of octets, and LAST; what comes behind it cannot be told from "
            "commands, so that the connection ends here");
        return;
    }
    obstacle = find_obstacle(s, &code);
    if (obstacle)
        receive_void_content(s, code, "5.5.1", obstacle);
    if (obstacle && ++s->n_errors >= RECEIVE_ERRORS_MAX) {
        receive_too_many_mistakes(s);
        return;
    }
    s->transaction.in_chunks = true;
    s->chunk_left = n;
    s->chunk_is_last = last;
    s->step = STEP_CHUNK;
}

/* ---- the rest ---- */

static void say_rset(ReceiveSession *s, _unused_ const char *argument)
{
    receive_reset(s);
    receive_reply(s, 250, "2.0.0", "nothing is begun");
}

static void say_noop(ReceiveSession *s, _unused_ const char *argument)
{
    receive_reply(s, 250, "2.0.0", "here");
}

static void say_vrfy(ReceiveSession *s, const char *argument)
{
    if (*argument)
        receive_reply(s, 252, "2.5.0", "whether that can be delivered is said by the relay");
    else
        receive_wrong(s, 501, "5.5.4", "VRFY wants a name");
}

static void say_help(ReceiveSession *s, _unused_ const char *argument)
{
    receive_reply(s, 214, "2.0.0",
        "EHLO HELO LHLO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT; outbox(1) says more");
}

static void say_quit(ReceiveSession *s, _unused_ const char *argument)
{
    receive_session_close(s, 221, "2.0.0", "good bye");
}

static void say_no(ReceiveSession *s, _unused_ const char *argument)
{
    receive_wrong(s, 502, "5.5.1", "that command is not implemented");
}

enum {
    COUNTED = 1, /* how many of them may come between two messages */
    BARE = 2,    /* nothing may stand behind it */
};

static const struct {
    char verb[9];
    void (*say)(ReceiveSession *s, const char *argument);
    ReceiveEvent (*tell)(ReceiveSession *s, char *argument, ReceivePart *ret);
    unsigned traits;
} commands[] = {
    {"EHLO", say_ehlo, NULL, COUNTED},
    {"HELO", say_helo, NULL, COUNTED},
    {"LHLO", say_lhlo, NULL, COUNTED},
    {"MAIL", NULL, receive_mail, COUNTED},
    {"RCPT", NULL, receive_rcpt, 0},
    {"DATA", say_data, NULL, COUNTED | BARE},
    {"BDAT", say_bdat, NULL, 0},
    {"RSET", say_rset, NULL, COUNTED | BARE},
    {"NOOP", say_noop, NULL, COUNTED},
    {"VRFY", say_vrfy, NULL, COUNTED},
    {"HELP", say_help, NULL, COUNTED},
    {"QUIT", say_quit, NULL, BARE},
    {"EXPN", say_no, NULL, COUNTED},
    {"AUTH", say_no, NULL, COUNTED},
    {"STARTTLS", say_no, NULL, COUNTED},
    {"ETRN", say_no, NULL, COUNTED},
    {"TURN", say_no, NULL, COUNTED},
    {"SEND", say_no, NULL, COUNTED},
    {"SOML", say_no, NULL, COUNTED},
    {"SAML", say_no, NULL, COUNTED},
};

static void refuse_argument(ReceiveSession *s, const char *verb)
{
    char text[40];

    snprintf(text, sizeof(text), "%s has no argument", verb);
    receive_wrong(s, 501, "5.5.4", text);
}

static ReceiveEvent run(ReceiveSession *s, size_t i, char *argument, ReceivePart *ret)
{
    s->n_commands += (commands[i].traits & COUNTED) != 0;
    if (s->n_commands > RECEIVE_COMMANDS_MAX) {
        receive_session_close(s, 421, "4.7.0", "too many commands without a message");
        return RECEIVE_MORE;
    }
    if ((commands[i].traits & BARE) && *argument) {
        refuse_argument(s, commands[i].verb);
        return RECEIVE_MORE;
    }
    if (commands[i].tell)
        return commands[i].tell(s, argument, ret);
    commands[i].say(s, argument);
    return RECEIVE_MORE;
}

ReceiveEvent receive_command(ReceiveSession *s, ReceivePart *ret)
{
    char *argument, *verb;

    if (text_has_control(s->line) || !text_is_utf8(s->line, s->n_line)) {
        receive_wrong(s, 500, "5.5.2", "the line holds a control character, or is not in UTF-8");
        return RECEIVE_MORE;
    }
    verb = receive_split_verb(s->line, &argument);
    for (size_t i = 0; i < ELEMENTSOF(commands); i++)
        if (strcasecmp(verb, commands[i].verb) == 0)
            return run(s, i, argument, ret);
    receive_wrong(s, 500, "5.5.2", "there is no such command; HELP lists them");
    return RECEIVE_MORE;
}
