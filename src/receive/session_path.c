/* MAIL and RCPT (RFC 5321, 4.1.1.2 and 4.1.1.3). */
#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"
#include "receive/session_internal.h"

/* What a parameter that is not passed on makes of the command. NULL, or what is wrong, with its
 * code. */
typedef const char *(*ParameterCheck)(
    ReceiveSession *s, const char *value, int *ret_code, const char **ret_enhanced);

static const char *check_size(
    ReceiveSession *s, const char *value, int *ret_code, const char **ret_enhanced)
{
    unsigned long long n;

    if (!value || !receive_parse_number(value, strlen(value), &n))
        return "SIZE wants a number of octets";
    if (s->max_bytes == 0 || n <= s->max_bytes)
        return NULL;
    *ret_code = 552;
    *ret_enhanced = "5.3.4";
    return "the message is larger than SIZE allows";
}

static const char *check_body(_unused_ ReceiveSession *s, const char *value, int *ret_code,
    _unused_ const char **ret_enhanced)
{
    if (value && (text_equal_nocase(value, "7BIT") || text_equal_nocase(value, "8BITMIME")))
        return NULL;
    if (value && text_equal_nocase(value, "BINARYMIME"))
        *ret_code = 504;
    return "BODY can be 7BIT or 8BITMIME";
}

static const char *check_utf8(ReceiveSession *s, const char *value, _unused_ int *ret_code,
    _unused_ const char **ret_enhanced)
{
    s->transaction.utf8 = true;
    return value ? "SMTPUTF8 has no value" : NULL;
}

typedef struct KnownParameter {
    const char *keyword;
    ParameterCheck check; /* NULL: that is another's to do */
    bool is_passed_on;
} KnownParameter;

static const KnownParameter of_sender[] = {
    {"SIZE", check_size, false},
    {"BODY", check_body, false},
    {"SMTPUTF8", check_utf8, true},
    {"RET", NULL, true},
    {"ENVID", NULL, true},
};
static const KnownParameter of_recipient[] = {
    {"NOTIFY", NULL, true},
    {"ORCPT", NULL, true},
};

static void pass_on(ReceiveSession *s, const ReceiveParameter *p)
{
    const char *blank = buffer_size(&s->parameters) > 0 ? " " : "";
    int r = p->value ? buffer_appendf(&s->parameters, "%s%s=%s", blank, p->keyword, p->value)
                     : buffer_appendf(&s->parameters, "%s%s", blank, p->keyword);

    s->failed |= r < 0;
}

/* Whether the parameter can be taken; else it was answered. */
static bool take_parameter(
    ReceiveSession *s, const ReceiveParameter *p, const KnownParameter *known, size_t n)
{
    const char *enhanced = "5.5.4", *wrong = "that parameter is not known here";
    int code = 555;

    for (size_t i = 0; i < n; i++) {
        if (!text_equal_nocase(known[i].keyword, p->keyword))
            continue;
        code = 501;
        wrong = known[i].check ? known[i].check(s, p->value, &code, &enhanced) : NULL;
        if (!wrong && known[i].is_passed_on)
            pass_on(s, p);
        break;
    }
    if (wrong)
        receive_wrong(s, code, enhanced, wrong);
    return !wrong;
}

static bool take_parameters(ReceiveSession *s, char *text, const KnownParameter *known, size_t n)
{
    ReceiveParameter p;
    int r;

    buffer_clear(&s->parameters);
    while ((r = receive_next_parameter(&text, &p)) > 0)
        if (!take_parameter(s, &p, known, n))
            return false;
    if (r < 0) {
        receive_wrong(s, 501, "5.5.4", "what stands behind the address is no list of parameters");
        return false;
    }
    if (buffer_size(&s->parameters) > 0)
        s->failed |= buffer_append(&s->parameters, "", 1) < 0;
    return true;
}

static ReceiveEvent tell(
    ReceiveSession *s, ReceiveEvent event, const char *address, ReceivePart *ret)
{
    bool any = buffer_size(&s->parameters) > 0;

    if (s->failed)
        return RECEIVE_MORE;
    *ret =
        (ReceivePart){.address = address, .parameters = any ? buffer_data(&s->parameters) : NULL};
    s->asked = event;
    return event;
}

/* Whether the address can be told: it is in ASCII, or SMTPUTF8 was asked for. */
static bool check_utf8_address(ReceiveSession *s, const char *address)
{
    if (s->transaction.utf8 || text_is_ascii(address, strlen(address)))
        return true;
    receive_wrong(s, 553, "5.6.7", "the address is not in ASCII, and MAIL did not say SMTPUTF8");
    return false;
}

/* The path, or NULL where what is there is none, which was answered. */
static char *take_path(ReceiveSession *s, char *text, const char *keyword, char **ret_rest)
{
    size_t n = strlen(keyword);
    char *path = text_starts_nocase(text, keyword) ? receive_split_path(text + n, ret_rest) : NULL;
    bool is_sender = *keyword == 'F';

    if (!path)
        receive_wrong(s, 501, is_sender ? "5.1.7" : "5.1.3",
            is_sender ? "MAIL FROM:<address> is wanted" : "RCPT TO:<address> is wanted");
    return path;
}

static ReceiveEvent find_sender(ReceiveSession *s, char *text, ReceivePart *ret)
{
    char *rest, *path = take_path(s, text, "FROM:", &rest);

    if (path && take_parameters(s, rest, of_sender, ELEMENTSOF(of_sender)) &&
        check_utf8_address(s, path))
        return tell(s, RECEIVE_SENDER, path, ret);
    s->transaction.utf8 = false;
    return RECEIVE_MORE;
}

ReceiveEvent receive_mail(ReceiveSession *s, char *text, ReceivePart *ret)
{
    if (s->has_greeted && !s->transaction.has_sender)
        return find_sender(s, text, ret);
    receive_wrong(s, 503, "5.5.1",
        s->has_greeted ? "there is a sender already; RSET begins anew" : "EHLO comes first");
    return RECEIVE_MORE;
}

static ReceiveEvent find_recipient(ReceiveSession *s, char *text, ReceivePart *ret)
{
    char *rest, *path = take_path(s, text, "TO:", &rest);

    if (!path || !take_parameters(s, rest, of_recipient, ELEMENTSOF(of_recipient)) ||
        !check_utf8_address(s, path))
        return RECEIVE_MORE;
    if (*path)
        return tell(s, RECEIVE_RECIPIENT, path, ret);
    receive_wrong(s, 501, "5.1.3", "a recipient wants an address");
    return RECEIVE_MORE;
}

ReceiveEvent receive_rcpt(ReceiveSession *s, char *text, ReceivePart *ret)
{
    ReceiveTransaction *t = &s->transaction;

    if (!t->has_sender)
        receive_wrong(s, 503, "5.5.1", "MAIL comes first");
    else if (t->in_chunks)
        receive_wrong(s, 503, "5.5.1", "the message has begun");
    else if (t->n_asked >= RECEIVE_RECIPIENTS_MAX)
        receive_reply(s, 452, "4.5.3", "too many recipients: the others go in a further message");
    else {
        t->n_asked++;
        return find_recipient(s, text, ret);
    }
    return RECEIVE_MORE;
}
