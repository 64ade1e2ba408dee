/* Formats commands (RFC 5321, 4.1). Must never write a byte that could end a command or an address
 * before its time. */
#include "smtp/command.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/idn.h"
#include "base/text.h"

#define WAITED_MAX ((uint64_t)999999999) /* RFC 2852, 4: nine digits */

/* A parameter of a sender or recipient that goes out as it stands where `needs` is offered. */
typedef struct Parameter {
    const char *keyword;
    SmtpCapability needs;
    bool wish; /* a relay that does not offer the extension may be given the message without it */
} Parameter;

static const Parameter mail_parameters[] = {
    {"RET", SMTP_CAP_DSN, true},
    {"ENVID", SMTP_CAP_DSN, true},
    {"MT-PRIORITY", SMTP_CAP_MT_PRIORITY, true},
    {"BY", SMTP_CAP_DELIVERBY},
    {"HOLDFOR", SMTP_CAP_FUTURERELEASE},
    {"HOLDUNTIL", SMTP_CAP_FUTURERELEASE},
    {"REQUIRETLS", SMTP_CAP_REQUIRETLS},
};

static const Parameter rcpt_parameters[] = {
    {"NOTIFY", SMTP_CAP_DSN, true},
    {"ORCPT", SMTP_CAP_DSN, true},
};

/* How a transaction begins, where `needs` is offered. */
typedef struct Verb {
    const char *name;
    unsigned needs;
} Verb;

static const Verb verbs[SMTP_VERB_MAX] = {
    [SMTP_VERB_MAIL] = {"MAIL", 0},
    [SMTP_VERB_SEND] = {"SEND", SMTP_CAP_SEND},
    [SMTP_VERB_SOML] = {"SOML", SMTP_CAP_SOML},
    [SMTP_VERB_SAML] = {"SAML", SMTP_CAP_SAML},
};

const char *smtp_verb_name(SmtpVerb verb)
{
    return verbs[verb].name;
}

/* One "KEYWORD" or "KEYWORD=VALUE" of a list. */
typedef struct Word {
    const char *data;
    size_t n, keyword_n;
} Word;

/* Takes the next word off the front of the list; false at its end. */
static bool next_word(const char **list, Word *ret)
{
    *list += strspn(*list, " \t");
    ret->data = *list;
    ret->n = strcspn(*list, " \t");
    ret->keyword_n = MIN(strcspn(*list, "="), ret->n);
    *list += ret->n;
    return ret->n > 0;
}

static bool word_has_keyword(const Word *word, const char *keyword)
{
    return word->keyword_n == strlen(keyword) && text_starts_nocase(word->data, keyword);
}

static bool word_has_value(const Word *word, const char *value)
{
    return word->n == word->keyword_n + 1 + strlen(value) &&
           text_starts_nocase(word->data + word->keyword_n + 1, value);
}

/* Finds the first word of the list with this keyword. */
static bool find_word(const char *list, const char *keyword, Word *ret)
{
    while (list && next_word(&list, ret))
        if (word_has_keyword(ret, keyword))
            return true;
    return false;
}

/* By-value: "seconds;mode", where R in the mode asks for the message's return. */
static bool wants_return(const Word *word)
{
    const char *mode = memchr(word->data, ';', word->n);

    return mode && mode + 1 < word->data + word->n && text_upper(mode[1]) == 'R';
}

/* Whether the value begins with a number of its own. */
static bool has_number(const Word *word)
{
    const char *value = word->data + word->keyword_n + 1, *end = word->data + word->n;

    value += value < end && *value == '-';
    return value < end && isdigit((unsigned char)*value);
}

/* The number behind the keyword, which has one, less what has been waited; `*ret_end`: what is
 * behind it. */
static long long seconds_left(const Word *word, const SmtpTransaction *t, char **ret_end)
{
    return strtoll(word->data + word->keyword_n + 1, ret_end, 10) -
           (long long)MIN(t->waited, WAITED_MAX);
}

/* Whether a message that is to be held until then (RFC 4865) is so no more. A time of another form
 * than in UTC is the server's to judge. */
static bool is_past(const Word *word, const SmtpTransaction *t)
{
    char text[RFC3339_MAX];
    usec_t until;

    if (word->n <= word->keyword_n + 1)
        return false;
    snprintf(text, sizeof(text), "%.*s", (int)(word->n - word->keyword_n - 1),
        word->data + word->keyword_n + 1);
    return clock_parse_rfc3339(text, &until) >= 0 && until <= t->now;
}

/* A time to hold that is over asks for nothing any more. */
static bool is_over(const Word *word, const SmtpTransaction *t)
{
    char *end;

    if (word_has_keyword(word, "HOLDFOR"))
        return t->waited > 0 && has_number(word) && seconds_left(word, t, &end) <= 0;
    return word_has_keyword(word, "HOLDUNTIL") && is_past(word, t);
}

/* A parameter as it stands, but with the seconds that are left. One to deliver in that is over is
 * said: the server gives notice. `t` NULL: of a recipient. */
static int append_word(Buffer *out, const Word *word, const SmtpTransaction *t)
{
    bool counts = word_has_keyword(word, "BY") || word_has_keyword(word, "HOLDFOR");
    long long left;
    char *end;

    if (t && is_over(word, t))
        return 0;
    if (!t || t->waited == 0 || !counts || !has_number(word))
        return buffer_append(out, " ", 1) ?: buffer_append(out, word->data, word->n);
    left = MAX(seconds_left(word, t, &end), -(long long)WAITED_MAX);
    return buffer_appendf(out, " %.*s=%lld%.*s", (int)word->keyword_n, word->data, left,
        (int)(word->data + word->n - end), end);
}

/* The offered ones of `rows` that stand in the list, in the order of the rows: a keyword goes out
 * once. A value that is not ASCII has no place in any of them. */
static int append_parameters(Buffer *out, const char *list, const Parameter *rows, size_t n,
    const SmtpCapabilities *capabilities, const SmtpTransaction *t)
{
    for (size_t i = 0; list && i < n; i++) {
        Word word;
        int r;

        if (!smtp_uses(capabilities, rows[i].needs) || !find_word(list, rows[i].keyword, &word) ||
            !text_is_ascii(word.data, word.n))
            continue;
        r = append_word(out, &word, t);
        if (r < 0)
            return r;
    }
    return 0;
}

/* A list may part its words with tabs, but holds no other control character. */
static int check_parameters(const char *list)
{
    for (; list && *list; list++)
        if (((unsigned char)*list < ' ' && *list != '\t') || *list == 0x7f)
            return -EINVAL;
    return 0;
}

/* Outside of a quoted string no blank and no angle bracket may stand: either would end the address
 * early. */
static int check_address(const char *address)
{
    bool quoted = false;

    if (text_has_control(address))
        return -EINVAL;
    for (; *address; address++) {
        if (*address == '"')
            quoted = !quoted;
        else if (quoted && *address == '\\' && address[1])
            address++;
        else if (!quoted && strchr(" <>", *address))
            return -EINVAL;
    }
    return quoted ? -EINVAL : 0;
}

static int append_alabels(Buffer *out, const char *domain)
{
    _cleanup_free_
    char *ascii = NULL;
    int r = domain_to_ascii(domain, &ascii);

    return r < 0 ? r : buffer_append_string(out, ascii);
}

/* How many bytes stand between the quotes of a local part that has them for its dots alone, which
 * RFC 5321 wants between other characters only; 0 where it is none. Some carriers gave away such
 * addresses, and their servers know them without quotes. */
static size_t dotted_size(const char *address)
{
    static const char atext[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "!#$%&'*+-/=?^_`{|}~.";
    size_t n = address[0] == '"' ? strspn(address + 1, atext) : 0;

    return n > 0 && address[n + 1] == '"' && address[n + 2] == '@' ? n : 0;
}

static int append_address(Buffer *out, const char *address, const SmtpCapabilities *capabilities)
{
    size_t dotted = capabilities->bare_dots ? dotted_size(address) : 0, n, local_n;
    int r = check_address(address) ?: buffer_append(out, address + 1, dotted);
    const char *at;

    if (r < 0)
        return r;
    address += dotted > 0 ? dotted + 2 : 0;
    at = strrchr(address, '@');
    n = strlen(address);
    local_n = at ? (size_t)(at + 1 - address) : n;
    if (text_is_ascii(address, n))
        return buffer_append(out, address, n);
    if (!text_is_utf8(address, n))
        return -EINVAL;
    if (text_is_ascii(address, local_n))
        return buffer_append(out, address, local_n) ?: append_alabels(out, address + local_n);
    return smtp_has(capabilities, SMTP_CAP_SMTPUTF8) ? buffer_append(out, address, n) : -EILSEQ;
}

/* A domain can be said in A-labels, a local part in UTF-8 alone. */
bool smtp_command_needs_utf8(const char *address)
{
    const char *at = strrchr(address, '@');

    return !text_is_ascii(address, at ? (size_t)(at - address) : strlen(address));
}

static bool address_needs_utf8(const SmtpTransaction *transaction)
{
    if (smtp_command_needs_utf8(transaction->sender))
        return true;
    for (size_t i = 0; i < transaction->n_recipients; i++)
        if (smtp_command_needs_utf8(transaction->recipients[i].address))
            return true;
    return false;
}

/* Not for an address's sake. */
static bool message_wants_utf8(const SmtpTransaction *transaction)
{
    Word word;

    return transaction->wants_utf8 || find_word(transaction->sender_parameters, "SMTPUTF8", &word);
}

static bool asks_for_utf8(const SmtpTransaction *transaction, const SmtpCapabilities *capabilities)
{
    if (!smtp_has(capabilities, SMTP_CAP_SMTPUTF8))
        return false;
    return (smtp_uses(capabilities, SMTP_CAP_SMTPUTF8) && message_wants_utf8(transaction)) ||
           address_needs_utf8(transaction);
}

/* What BODY says (RFC 6152), or NULL. What we know of the content stands above what the sender
 * said of it. */
static const char *body_parameter(const SmtpTransaction *transaction)
{
    Word word;
    bool told = find_word(transaction->sender_parameters, "BODY", &word);

    if (transaction->is_8bit ||
        (told && (word_has_value(&word, "8BITMIME") || word_has_value(&word, "BINARYMIME"))))
        return " BODY=8BITMIME";
    return told && word_has_value(&word, "7BIT") ? " BODY=7BIT" : NULL;
}

static int append_own_parameters(
    Buffer *out, const SmtpTransaction *transaction, const SmtpCapabilities *capabilities)
{
    const char *body = body_parameter(transaction);
    int r = 0;

    if (smtp_uses(capabilities, SMTP_CAP_SIZE) && transaction->size > 0)
        r = buffer_appendf(out, " SIZE=%" PRIu64, transaction->size);
    if (r >= 0 && smtp_uses(capabilities, SMTP_CAP_8BITMIME) && body)
        r = buffer_append_string(out, body);
    if (r >= 0 && asks_for_utf8(transaction, capabilities))
        r = buffer_append_string(out, " SMTPUTF8");
    return r;
}

/* Which of them stand in the list, and only say how the message would best be treated. */
static unsigned find_wishes(const char *list, const Parameter *rows, size_t n)
{
    unsigned found = 0;
    Word word;

    for (size_t i = 0; list && i < n; i++)
        if (rows[i].wish && find_word(list, rows[i].keyword, &word))
            found |= rows[i].needs;
    return found;
}

unsigned smtp_command_mail_chosen(
    const SmtpTransaction *transaction, const SmtpCapabilities *capabilities)
{
    unsigned chosen =
        find_wishes(transaction->sender_parameters, mail_parameters, ELEMENTSOF(mail_parameters));

    if (transaction->size > 0)
        chosen |= SMTP_CAP_SIZE;
    if (body_parameter(transaction))
        chosen |= SMTP_CAP_8BITMIME;
    if (message_wants_utf8(transaction) && !address_needs_utf8(transaction))
        chosen |= SMTP_CAP_SMTPUTF8;
    return chosen & capabilities->flags & ~capabilities->refused;
}

unsigned smtp_command_rcpt_chosen(
    const SmtpRecipient *recipient, const SmtpCapabilities *capabilities)
{
    return find_wishes(recipient->parameters, rcpt_parameters, ELEMENTSOF(rcpt_parameters)) &
           capabilities->flags & ~capabilities->refused;
}

/* Whether the sender cannot do without it. */
static bool is_needed(const Word *word, const SmtpTransaction *t)
{
    return word_has_keyword(word, "BY") ? wants_return(word) : !is_over(word, t);
}

const char *smtp_command_mail_missing(
    const SmtpTransaction *transaction, const SmtpCapabilities *capabilities)
{
    Word word;

    for (size_t i = 0; i < ELEMENTSOF(mail_parameters); i++) {
        const Parameter *p = &mail_parameters[i];

        if (!p->wish && !smtp_has(capabilities, p->needs) &&
            find_word(transaction->sender_parameters, p->keyword, &word) &&
            is_needed(&word, transaction))
            return p->keyword;
    }
    return NULL;
}

bool smtp_command_mail_expired(const SmtpTransaction *transaction)
{
    Word word;
    char *end;

    return find_word(transaction->sender_parameters, "BY", &word) && has_number(&word) &&
           wants_return(&word) && seconds_left(&word, transaction, &end) <= 0;
}

bool smtp_command_requires_tls(const SmtpTransaction *transaction)
{
    Word word;

    return find_word(transaction->sender_parameters, "REQUIRETLS", &word);
}

/* Whether the word stands in the text by itself. */
static bool text_has_word(const char *text, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = text; (at = strcasestr(at, word)); at++) {
        char before = at > text ? at[-1] : ' ', after = at[n];

        if (!isalnum((unsigned char)before) && before != '-' && !isalnum((unsigned char)after) &&
            after != '-')
            return true;
    }
    return false;
}

unsigned smtp_command_told(const char *text, unsigned chosen)
{
    static const Parameter words[] = {
        {"SIZE", SMTP_CAP_SIZE},
        {"BODY", SMTP_CAP_8BITMIME},
        {"8BITMIME", SMTP_CAP_8BITMIME},
        {"SMTPUTF8", SMTP_CAP_SMTPUTF8},
        {"DSN", SMTP_CAP_DSN},
        {"RET", SMTP_CAP_DSN},
        {"ENVID", SMTP_CAP_DSN},
        {"NOTIFY", SMTP_CAP_DSN},
        {"ORCPT", SMTP_CAP_DSN},
        {"MT-PRIORITY", SMTP_CAP_MT_PRIORITY},
    };
    unsigned told = 0;

    for (size_t i = 0; i < ELEMENTSOF(words); i++)
        if (text_has_word(text, words[i].keyword))
            told |= words[i].needs;
    return told & chosen ? told & chosen : chosen;
}

/* `out` had `size` bytes before: they are all it keeps when `r` tells of a failure. */
static int finish_line(Buffer *out, size_t size, int r)
{
    if (r >= 0)
        r = buffer_append(out, "\r\n", 2);
    if (r < 0)
        buffer_truncate(out, size);
    return r;
}

int smtp_command_simple(Buffer *out, const char *verb, const char *argument)
{
    size_t size = buffer_size(out);
    int r = text_has_control(verb) || (argument && text_has_control(argument)) ? -EINVAL : 0;

    if (r >= 0)
        r = buffer_append_string(out, verb);
    if (r >= 0 && argument)
        r = buffer_append(out, " ", 1) ?: buffer_append_string(out, argument);
    return finish_line(out, size, r);
}

int smtp_command_mail(
    Buffer *out, const SmtpTransaction *transaction, const SmtpCapabilities *capabilities)
{
    const Verb *verb = &verbs[transaction->verb];
    size_t size = buffer_size(out);
    int r = verb->needs & ~capabilities->flags ? -EOPNOTSUPP : 0;

    r = r
            ?: check_parameters(transaction->sender_parameters)
                ?: buffer_append_string(out, verb->name)
                ?: buffer_append_string(out, " FROM:<")
                ?: append_address(out, transaction->sender, capabilities)
                ?: buffer_append(out, ">", 1)
                ?: append_own_parameters(out, transaction, capabilities)
                ?: append_parameters(out, transaction->sender_parameters, mail_parameters,
                       ELEMENTSOF(mail_parameters), capabilities, transaction);

    return finish_line(out, size, r);
}

int smtp_command_rcpt(
    Buffer *out, const SmtpRecipient *recipient, const SmtpCapabilities *capabilities)
{
    size_t size = buffer_size(out);
    int r = *recipient->address ? check_parameters(recipient->parameters) : -EINVAL;

    r = r
            ?: buffer_append_string(out, "RCPT TO:<")
            ?: append_address(out, recipient->address, capabilities)
            ?: buffer_append(out, ">", 1)
            ?: append_parameters(out, recipient->parameters, rcpt_parameters,
                   ELEMENTSOF(rcpt_parameters), capabilities, NULL);
    return finish_line(out, size, r);
}

int smtp_command_bdat(Buffer *out, size_t n, bool last)
{
    return buffer_appendf(out, "BDAT %zu%s\r\n", n, last ? " LAST" : "");
}
