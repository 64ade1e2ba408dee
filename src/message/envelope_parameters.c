/* ESMTP parameters of an envelope. Must never let through one that is not of ESMTP syntax, for it
 * goes into a command as it stands; nor one that is malformed where its standard says what it is: a
 * relay would refuse the recipient for it, long after who wrote it has gone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/text.h"
#include "message/envelope.h"

#define SHOWN_MAX 60
#define SPELLING_MIN 4           /* a shorter word is near to too much */
#define ENVELOPE_ID_MAX 100      /* bytes (RFC 3461, 4.4) */
#define ORIGINAL_ADDRESS_MAX 500 /* (RFC 3461, 4.2) */

typedef struct Value {
    const char *text;
    size_t n; /* 0: there is none */
} Value;

typedef bool (*ValueCheck)(Value value);

static bool equals(Value value, const char *word)
{
    return value.n == strlen(word) && strncasecmp(value.text, word, value.n) == 0;
}

/* Takes what is in front of `separator` off the value. */
static Value cut(Value *value, char separator)
{
    const char *place = value->n > 0 ? memchr(value->text, separator, value->n) : NULL;
    Value head = {value->text, place ? (size_t)(place - value->text) : value->n};
    size_t taken = head.n + (place != NULL);

    *value = (Value){value->text + taken, value->n - taken};
    return head;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

/* xtext (RFC 3461, 4): printable ASCII but "+" and "=", which are written "+2B" and "+3D". */
static bool is_xtext(Value v)
{
    for (size_t i = 0; i < v.n; i++) {
        if (v.text[i] < '!' || v.text[i] > '~' || v.text[i] == '=')
            return false;
        if (v.text[i] != '+')
            continue;
        if (i + 2 >= v.n || !is_hex(v.text[i + 1]) || !is_hex(v.text[i + 2]))
            return false;
        i += 2;
    }
    return v.n > 0;
}

/* What it stands for is printable, too: "+0A" would be a line end in a report. */
static bool is_printable_xtext(Value v)
{
    for (size_t i = 0; i + 2 < v.n; i++)
        if (v.text[i] == '+' && (v.text[i + 1] < '2' || v.text[i + 1] > '7' ||
                                    (v.text[i + 1] == '7' && v.text[i + 2] == 'F')))
            return false;
    return is_xtext(v);
}

static bool is_number(Value v, size_t max_digits)
{
    for (size_t i = 0; i < v.n; i++)
        if (v.text[i] < '0' || v.text[i] > '9')
            return false;
    return v.n > 0 && v.n <= max_digits;
}

static bool check_ret(Value v)
{
    return equals(v, "FULL") || equals(v, "HDRS");
}

static bool check_envelope_id(Value v)
{
    return v.n <= ENVELOPE_ID_MAX && is_printable_xtext(v);
}

static bool check_notify(Value v)
{
    bool ok = true;

    if (equals(v, "NEVER"))
        return true;
    if (v.n == 0 || v.text[v.n - 1] == ',')
        return false;
    while (ok && v.n > 0) {
        Value word = cut(&v, ',');

        ok = equals(word, "SUCCESS") || equals(word, "FAILURE") || equals(word, "DELAY");
    }
    return ok;
}

/* The type "utf-8" may have its address in UTF-8, its special characters as "\x{HEX}" (RFC 6533,
 * 3).
 */
static bool check_original_address(Value v)
{
    Value all = v, type = cut(&v, ';');

    if (all.n > ORIGINAL_ADDRESS_MAX || type.n == 0 || v.n == 0)
        return false;
    for (size_t i = 0; i < type.n; i++)
        if (!text_is_alphanumeric(type.text[i]) && type.text[i] != '-')
            return false;
    return equals(type, "utf-8") || is_xtext(v);
}

static bool check_body(Value v)
{
    return equals(v, "7BIT") || equals(v, "8BITMIME") || equals(v, "BINARYMIME");
}

static bool check_size(Value v)
{
    return is_number(v, 20);
}

static bool check_priority(Value v)
{
    size_t sign = v.n == 2 && v.text[0] == '-';

    return is_number((Value){v.text + sign, v.n - sign}, 1);
}

static bool check_by(Value v)
{
    Value seconds = cut(&v, ';');
    size_t sign = seconds.n > 0 && seconds.text[0] == '-';

    return is_number((Value){seconds.text + sign, seconds.n - sign}, 9) &&
           (equals(v, "N") || equals(v, "R") || equals(v, "NT") || equals(v, "RT"));
}

static bool check_hold_for(Value v)
{
    return is_number(v, 9);
}

/* date-time (RFC 3339, 5.6), as RFC 4865, 5 has it. */
static bool check_hold_until(Value v)
{
    const char *offset = v.n > 6 ? v.text + v.n - 6 : NULL;
    char text[RFC3339_MAX];
    usec_t time;
    size_t n = v.n;

    if (offset && (*offset == '+' || *offset == '-')) {
        for (size_t i = 1; i < 6; i++)
            if (i == 3 ? offset[i] != ':' : offset[i] < '0' || offset[i] > '9')
                return false;
        n -= 6;
    } else if (n > 0 && text_upper(v.text[n - 1]) == 'Z')
        n--;
    else
        return false;
    if (n + 2 > sizeof(text))
        return false;
    snprintf(text, sizeof(text), "%.*sZ", (int)n, v.text);
    return clock_parse_rfc3339(text, &time) >= 0;
}

static bool check_none(Value v)
{
    return v.n == 0;
}

typedef struct Parameter {
    const char *keyword, *form; /* as a person is told */
    ValueCheck check;
    EnvelopeParty party;
} Parameter;

static const Parameter parameters[] = {
    {"RET", "FULL or HDRS", check_ret, ENVELOPE_SENDER},
    {"ENVID", "at most 100 printable ASCII characters, of which + and = are written +2B and +3D",
        check_envelope_id, ENVELOPE_SENDER},
    {"NOTIFY", "NEVER, or SUCCESS, FAILURE and DELAY with commas between them", check_notify,
        ENVELOPE_RECIPIENT},
    {"ORCPT",
        "a type, a semicolon and an address (rfc822;ann@example.com), at most 500 printable ASCII "
        "characters, of which + and = are written +2B and +3D",
        check_original_address, ENVELOPE_RECIPIENT},
    {"BODY", "7BIT, 8BITMIME or BINARYMIME", check_body, ENVELOPE_SENDER},
    {"SIZE", "a number of bytes", check_size, ENVELOPE_SENDER},
    {"MT-PRIORITY", "a number from -9 to 9", check_priority, ENVELOPE_SENDER},
    {"BY", "seconds, a semicolon, and N or R, with T behind it for a trace (BY=3600;R)", check_by,
        ENVELOPE_SENDER},
    {"HOLDFOR", "seconds, of at most 9 digits", check_hold_for, ENVELOPE_SENDER},
    {"HOLDUNTIL", "a time such as 2030-12-24T18:00:00Z", check_hold_until, ENVELOPE_SENDER},
    {"SMTPUTF8", "written without a value", check_none, ENVELOPE_SENDER},
    {"REQUIRETLS", "written without a value", check_none, ENVELOPE_SENDER},
};

/* Takes the keyword off a parameter of ESMTP syntax; false for what is none. */
static bool parse(Value *v, Value *ret_keyword)
{
    const char *end = v->text + v->n;
    bool has_value;

    *ret_keyword = cut(v, '=');
    has_value = ret_keyword->text + ret_keyword->n < end;
    if (ret_keyword->n == 0 || ret_keyword->text[0] == '-' || (has_value && v->n == 0))
        return false;
    for (size_t i = 0; i < ret_keyword->n; i++)
        if (!text_is_alphanumeric(ret_keyword->text[i]) && ret_keyword->text[i] != '-')
            return false;
    for (size_t i = 0; i < v->n; i++)
        if ((unsigned char)v->text[i] <= ' ' || v->text[i] == '=' || v->text[i] == 0x7f)
            return false;
    return text_is_utf8(v->text, v->n);
}

static const Parameter *find(Value keyword)
{
    for (size_t i = 0; i < ELEMENTSOF(parameters); i++)
        if (equals(keyword, parameters[i].keyword))
            return &parameters[i];
    return NULL;
}

static int fail(Value shown, const char *before, const char *why, Failure *f)
{
    _cleanup_free_
    char *text = f ? text_printable(shown.text, shown.n, SHOWN_MAX) : NULL;

    return failure_set(
        f, -EINVAL, ERROR_MESSAGE, "the parameter \"%s\"%s%s", text ?: "...", before, why);
}

/* `seen`: those that were given, a bit for each of the table. */
static int check_one(Value whole, EnvelopeParty party, unsigned *seen, Failure *f)
{
    Value value = whole, keyword;
    const Parameter *row;
    unsigned bit;

    if (!parse(&value, &keyword))
        return fail(whole, " is not an ESMTP parameter: ",
            "they are written KEYWORD or KEYWORD=value, with blanks between them", f);
    row = find(keyword);
    if (!row)
        return 0;
    bit = 1u << (row - parameters);
    if (row->party != party)
        return fail(whole, " is said ",
            row->party == ENVELOPE_SENDER ? "of a sender, and this is a recipient"
                                          : "of a recipient, and this is the sender",
            f);
    if (*seen & bit)
        return fail(whole, " is given twice; ", "leave one of them", f);
    *seen |= bit;
    return row->check(value) ? 0 : fail(whole, " is malformed: its value is ", row->form, f);
}

int envelope_check_parameters(const char *text, EnvelopeParty party, Failure *f)
{
    unsigned seen = 0;
    int r = 0;

    for (size_t n; r == 0 && text && *text; text += n + (text[n] == ' ')) {
        n = strcspn(text, " ");
        r = check_one((Value){text, n}, party, &seen, f);
    }
    return r;
}

/* ---- spelling ---- */

static const char *meant_by(Value keyword, EnvelopeParty party)
{
    char word[16];

    if (keyword.n >= sizeof(word) || find(keyword))
        return NULL;
    snprintf(word, sizeof(word), "%.*s", (int)keyword.n, keyword.text);
    for (size_t i = 0; i < ELEMENTSOF(parameters); i++)
        if (parameters[i].party == party && keyword.n >= SPELLING_MIN &&
            text_distance(word, parameters[i].keyword) <= 2)
            return parameters[i].keyword;
    return NULL;
}

int envelope_check_spelling(const char *text, EnvelopeParty party, Failure *f)
{
    for (size_t n; text && *text; text += n + (text[n] == ' ')) {
        Value whole = {text, strcspn(text, " ")}, rest = whole;
        const char *meant = meant_by(cut(&rest, '='), party);

        n = whole.n;
        if (meant)
            return fail(whole, " is not known; did you mean ", meant, f);
    }
    return 0;
}

/* ---- merging ---- */

static Value keyword_of(const char *text)
{
    return (Value){text, strcspn(text, "= ")};
}

/* Takes the next of a list off it; without text at the end. */
static Value next_parameter(const char **list)
{
    size_t n = strcspn(*list, " ");
    Value parameter = {*list, n};

    *list += n + ((*list)[n] == ' ');
    return parameter;
}

static bool has_keyword(const char *list, Value keyword)
{
    while (*list) {
        Value other = keyword_of(next_parameter(&list).text);

        if (other.n == keyword.n && strncasecmp(other.text, keyword.text, keyword.n) == 0)
            return true;
    }
    return false;
}

int envelope_merge_parameters(char **list, const char *more)
{
    const char *own = *list ?: "";
    _cleanup_buffer_ Buffer all = {0};
    char *merged;
    int r = buffer_append_string(&all, own);

    while (r >= 0 && more && *more) {
        Value parameter = next_parameter(&more);

        if (has_keyword(own, keyword_of(parameter.text)))
            continue;
        r = buffer_appendf(
            &all, "%s%.*s", buffer_size(&all) > 0 ? " " : "", (int)parameter.n, parameter.text);
    }
    if (r < 0 || buffer_size(&all) == 0)
        return r;
    merged = strndup(buffer_data(&all), buffer_size(&all));
    if (!merged)
        return -ENOMEM;
    free(*list);
    *list = merged;
    return 0;
}

int envelope_append_xtext(Buffer *out, const char *text)
{
    int r = 0;

    for (; r >= 0 && *text; text++)
        r = *text > ' ' && *text < 0x7f && *text != '+' && *text != '='
                ? buffer_append(out, text, 1)
                : buffer_appendf(out, "+%02X", (unsigned char)*text);
    return r;
}

/* ---- reading ---- */

const char *envelope_parameter(const char *list, const char *keyword, size_t *ret_n)
{
    while (list && *list) {
        Value value = next_parameter(&list), name = cut(&value, '=');

        *ret_n = value.n;
        if (equals(name, keyword))
            return value.text;
    }
    return NULL;
}

bool envelope_wants_notice(const EnvelopeRecipient *recipient, const char *when, bool by_default)
{
    Value value = {0};

    value.text = envelope_parameter(recipient->parameters, "NOTIFY", &value.n);
    if (!value.text)
        return by_default;
    while (value.n > 0)
        if (equals(cut(&value, ','), when))
            return true;
    return false;
}

int envelope_append_from_xtext(Buffer *out, const char *text, size_t n)
{
    int r = 0;

    for (size_t i = 0; i < n && r >= 0; i++) {
        char digits[3] = "", c = text[i];

        if (c == '+' && i + 2 < n && is_hex(text[i + 1]) && is_hex(text[i + 2])) {
            memcpy(digits, text + i + 1, 2);
            c = (char)strtoul(digits, NULL, 16);
            i += 2;
        }
        r = buffer_append(out, &c, 1);
    }
    return r;
}
