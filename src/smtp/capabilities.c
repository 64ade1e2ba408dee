/* Reads the reply to EHLO (RFC 5321, 4.1.1.1). Must never refuse one: what makes no sense is as
 * good as not said. */
#include "smtp/capabilities.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"

#define LIMIT_DIGITS_MAX 6 /* RFC 9422, 4 */

/* A stretch of the reply's text; not ended by NUL. */
typedef struct Word {
    const char *data;
    size_t n;
} Word;

/* `name` is in upper case. The peer may send a NUL: lengths decide, not it. */
static bool word_is(Word word, const char *name)
{
    if (word.n != strlen(name))
        return false;
    for (size_t i = 0; i < word.n; i++)
        if (text_upper(word.data[i]) != name[i])
            return false;
    return true;
}

/* Takes the next word off the front of `rest`; the blanks, and the character `end`, part words.
 * Empty at the end. */
static Word next_word(Word *rest, char end)
{
    Word word;

    while (rest->n > 0 && (rest->data[0] == ' ' || rest->data[0] == '\t' || rest->data[0] == end)) {
        rest->data++;
        rest->n--;
    }
    word = (Word){rest->data, 0};
    while (rest->n > 0 && rest->data[0] != ' ' && rest->data[0] != '\t' && rest->data[0] != end) {
        rest->data++;
        rest->n--;
        word.n++;
    }
    return word;
}

/* The number that is all of the word; 0 for anything else. */
static uint64_t word_number(Word word)
{
    uint64_t number = 0;

    for (size_t i = 0; i < word.n; i++)
        if (word.data[i] < '0' || word.data[i] > '9' ||
            __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(word.data[i] - '0'), &number))
            return 0;
    return number;
}

static void parse_size(SmtpCapabilities *ret, Word parameters)
{
    uint64_t size = word_number(next_word(&parameters, ' '));

    if (size > 0)
        ret->size_max = size;
}

/* sasl-mech (RFC 4422, 3.1). */
static bool is_mechanism(Word word)
{
    for (size_t i = 0; i < word.n; i++)
        if (!text_is_alphanumeric(word.data[i]) && word.data[i] != '-' && word.data[i] != '_')
            return false;
    return word.n > 0;
}

/* Whether the list has the word, in any case. */
static bool list_has(const char *list, Word word)
{
    Word rest = {list, strlen(list)}, known;

    while ((known = next_word(&rest, ' ')).n > 0) {
        size_t i = 0;

        if (known.n != word.n)
            continue;
        while (i < word.n && known.data[i] == text_upper(word.data[i]))
            i++;
        if (i == word.n)
            return true;
    }
    return false;
}

static void parse_auth(SmtpCapabilities *ret, Word parameters)
{
    size_t end = strlen(ret->mechanisms);
    Word word;

    while ((word = next_word(&parameters, '=')).n > 0) {
        if (!is_mechanism(word) || list_has(ret->mechanisms, word))
            continue;
        if (end + 1 + word.n + 1 > sizeof(ret->mechanisms))
            return;
        if (end > 0)
            ret->mechanisms[end++] = ' ';
        for (size_t i = 0; i < word.n; i++)
            ret->mechanisms[end++] = text_upper(word.data[i]);
        ret->mechanisms[end] = '\0';
    }
}

static void parse_limits(SmtpCapabilities *ret, Word parameters)
{
    Word word;

    while ((word = next_word(&parameters, ' ')).n > 0) {
        Word name = next_word(&word, '='), value = next_word(&word, '=');
        unsigned limit = value.n <= LIMIT_DIGITS_MAX ? (unsigned)word_number(value) : 0;

        if (limit == 0)
            continue;
        if (word_is(name, "RCPTMAX"))
            ret->limit_rcpt = limit;
        else if (word_is(name, "MAILMAX"))
            ret->limit_mail = limit;
    }
}

typedef struct Keyword {
    const char *name;
    SmtpCapability flag;
    void (*parse)(SmtpCapabilities *ret, Word parameters); /* NULL: parameters do not matter */
} Keyword;

static const Keyword keywords[] = {
    {"PIPELINING", SMTP_CAP_PIPELINING},
    {"CHUNKING", SMTP_CAP_CHUNKING},
    {"8BITMIME", SMTP_CAP_8BITMIME},
    {"SMTPUTF8", SMTP_CAP_SMTPUTF8},
    {"SIZE", SMTP_CAP_SIZE, parse_size},
    {"ENHANCEDSTATUSCODES", SMTP_CAP_ENHANCEDSTATUSCODES},
    {"DSN", SMTP_CAP_DSN},
    {"STARTTLS", SMTP_CAP_STARTTLS},
    {"AUTH", SMTP_CAP_AUTH, parse_auth},
    {"BINARYMIME", SMTP_CAP_BINARYMIME},
    {"DELIVERBY", SMTP_CAP_DELIVERBY},
    {"MT-PRIORITY", SMTP_CAP_MT_PRIORITY},
    {"REQUIRETLS", SMTP_CAP_REQUIRETLS},
    {"LIMITS", SMTP_CAP_LIMITS, parse_limits},
    {"VRFY", SMTP_CAP_VRFY},
    {"FUTURERELEASE", SMTP_CAP_FUTURERELEASE},
    {"SEND", SMTP_CAP_SEND},
    {"SOML", SMTP_CAP_SOML},
    {"SAML", SMTP_CAP_SAML},
};

static const Keyword *find_keyword(Word name)
{
    for (size_t i = 0; i < ELEMENTSOF(keywords); i++)
        if (word_is(name, keywords[i].name))
            return &keywords[i];
    return NULL;
}

/* The "=" of old servers ("AUTH=LOGIN PLAIN", "SIZE=1000") ends the keyword as a blank does. */
static void parse_keyword(SmtpCapabilities *ret, unsigned discarded, Word line)
{
    const Keyword *keyword = find_keyword(next_word(&line, '='));

    if (!keyword || keyword->flag & discarded)
        return;
    ret->flags |= keyword->flag;
    if (line.n > 0 && line.data[0] == '=') {
        line.data++;
        line.n--;
    }
    if (keyword->parse)
        keyword->parse(ret, line);
}

static void parse_domain(SmtpCapabilities *ret, Word line)
{
    Word word = next_word(&line, ' ');
    size_t end = 0;

    for (size_t i = 0; i < word.n && end + 1 < sizeof(ret->domain); i++)
        ret->domain[end++] = word.data[i] > ' ' && word.data[i] < 0x7f ? word.data[i] : '?';
    ret->domain[end] = '\0';
}

void smtp_capabilities_parse(const SmtpReply *reply, unsigned discarded, SmtpCapabilities *ret)
{
    const char *at = buffer_data(&reply->text) ?: "", *end = at + buffer_size(&reply->text);
    bool first = true;

    *ret = (SmtpCapabilities){.esmtp = true};
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at)) ?: end;
        Word line = {at, (size_t)(line_end - at)};

        if (first)
            parse_domain(ret, line);
        else
            parse_keyword(ret, discarded, line);
        first = false;
        at = line_end < end ? line_end + 1 : end;
    }
}

bool smtp_capabilities_offer(const SmtpCapabilities *capabilities, const char *mechanism)
{
    return list_has(capabilities->mechanisms, (Word){mechanism, strlen(mechanism)});
}

unsigned smtp_capabilities_named(const char *list)
{
    Word rest = {list, strlen(list)}, word;
    unsigned flags = 0;

    while ((word = next_word(&rest, ' ')).n > 0) {
        const Keyword *keyword = find_keyword(word);

        flags |= keyword ? (unsigned)keyword->flag : 0;
    }
    return flags;
}

char *smtp_capabilities_format(unsigned flags, char ret[static SMTP_CAPABILITIES_TEXT_MAX])
{
    char *to = ret;

    *to = '\0';
    for (size_t i = 0; i < ELEMENTSOF(keywords); i++)
        if (flags & keywords[i].flag) {
            to = to > ret ? stpcpy(to, " ") : to;
            to = stpcpy(to, keywords[i].name);
        }
    return ret;
}
