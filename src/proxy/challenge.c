/* Reading challenges. Must never read beyond the field, nor take one for another's parameter. */
#include "proxy/challenge.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

#define NAMES_MAX 100 /* bytes of schemes, in words */

typedef struct Cursor {
    const char *at, *end;
} Cursor;

/* A part of the text; quoted pairs are as they came. */
typedef struct Part {
    const char *data;
    size_t n;
    bool quoted;
} Part;

/* RFC 9110, 5.6.2. */
static bool is_token(char c)
{
    return text_is_alphanumeric(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token68(char c)
{
    return text_is_alphanumeric(c) || (c != '\0' && strchr("-._~+/=", c));
}

static bool at(const Cursor *c, char wanted)
{
    return c->at < c->end && *c->at == wanted;
}

static void skip_blanks(Cursor *c)
{
    while (at(c, ' ') || at(c, '\t'))
        c->at++;
}

static void skip_to_element(Cursor *c)
{
    while (at(c, ' ') || at(c, '\t') || at(c, ','))
        c->at++;
}

static Part take_token(Cursor *c)
{
    Part part = {.data = c->at};

    while (c->at < c->end && is_token(*c->at))
        c->at++;
    part.n = (size_t)(c->at - part.data);
    return part;
}

static Part take_quoted(Cursor *c)
{
    Part part = {.data = ++c->at, .quoted = true};

    while (c->at < c->end && *c->at != '"')
        c->at += *c->at == '\\' && c->at + 1 < c->end ? 2 : 1;
    part.n = (size_t)(c->at - part.data);
    c->at += at(c, '"');
    return part;
}

static bool part_equal(const Part *part, const char *text)
{
    return part->n == strlen(text) && strncasecmp(part->data, text, part->n) == 0;
}

/* A copy without the backslashes of quoted pairs (RFC 9110, 5.6.4). */
static int copy(const Part *part, char **ret)
{
    size_t n = 0;

    if (*ret)
        return 0; /* the first one counts */
    *ret = malloc(part->n + 1);
    if (!*ret)
        return -ENOMEM;
    for (size_t i = 0; i < part->n; i++) {
        if (part->quoted && part->data[i] == '\\' && i + 1 < part->n)
            i++;
        (*ret)[n++] = part->data[i];
    }
    (*ret)[n] = '\0';
    return 0;
}

/* Whether a list of words, with commas or blanks between them, has this one. */
static bool has_word(const Part *list, const char *word)
{
    Cursor c = {list->data, list->data + list->n};

    while (c.at < c.end) {
        Part part = take_token(&c);

        if (part_equal(&part, word))
            return true;
        c.at += c.at < c.end;
    }
    return false;
}

/* ---- one challenge ---- */

typedef struct Reading {
    Challenge challenge;
    bool bad_qop; /* there are some, and none is "auth" */
} Reading;

static int take_parameter(Reading *reading, const Part *name, const Part *value)
{
    Challenge *c = &reading->challenge;

    if (part_equal(name, "realm"))
        return copy(value, &c->realm);
    if (part_equal(name, "nonce"))
        return copy(value, &c->nonce);
    if (part_equal(name, "opaque"))
        return copy(value, &c->opaque);
    if (part_equal(name, "algorithm"))
        return copy(value, &c->algorithm);
    if (part_equal(name, "stale"))
        c->stale = part_equal(value, "true");
    if (part_equal(name, "userhash"))
        c->userhash = part_equal(value, "true");
    if (part_equal(name, "qop")) {
        c->qop = has_word(value, "auth");
        reading->bad_qop = !c->qop && value->n > 0;
    }
    return 0;
}

/* Takes the scheme, and returns why it cannot be answered. */
static DigestFlaw judge_digest(Reading *reading)
{
    static const struct {
        const char *name;
        ChallengeScheme scheme;
        bool session;
    } algorithms[] = {
        {"MD5", CHALLENGE_DIGEST_MD5, false},
        {"MD5-sess", CHALLENGE_DIGEST_MD5, true},
        {"SHA-256", CHALLENGE_DIGEST_SHA256, false},
        {"SHA-256-sess", CHALLENGE_DIGEST_SHA256, true},
    };
    Challenge *c = &reading->challenge;
    const char *name = c->algorithm ?: "MD5";

    if (!c->realm)
        return DIGEST_FLAW_REALM;
    if (!c->nonce || !*c->nonce)
        return DIGEST_FLAW_NONCE;
    if (reading->bad_qop)
        return DIGEST_FLAW_QOP;
    for (size_t i = 0; i < ELEMENTSOF(algorithms); i++)
        if (text_equal_nocase(algorithms[i].name, name)) {
            c->scheme = algorithms[i].scheme;
            c->session = algorithms[i].session;
        }
    /* A session key needs a nonce of our own, which goes with a qop alone. */
    if (c->session && !c->qop) {
        c->scheme = CHALLENGE_NONE;
        return DIGEST_FLAW_SESSION;
    }
    return c->scheme == CHALLENGE_NONE ? DIGEST_FLAW_ALGORITHM : DIGEST_FLAW_NONE;
}

/* A word of base64 with its padding, alone up to the next comma (token68). */
static bool take_token68(Cursor *c, Part *ret)
{
    const char *to = c->at, *rest;

    while (to < c->end && is_token68(*to) && *to != '=')
        to++;
    ret->data = c->at;
    if (to == c->at)
        return false;
    while (to < c->end && *to == '=')
        to++;
    for (rest = to; rest < c->end && (*rest == ' ' || *rest == '\t');)
        rest++;
    if (rest < c->end && *rest != ',')
        return false;
    ret->n = (size_t)(to - c->at);
    c->at = rest;
    return true;
}

/* What stands behind the scheme's name: parameters, or a word of another form. 0 or -ENOMEM. */
static int read_parameters(Cursor *c, Reading *reading)
{
    bool first = true;
    int r = 0;

    while (r >= 0) {
        Cursor before;
        Part name, value = {0};

        skip_blanks(c);
        if (first && take_token68(c, &value))
            return copy(&value, &reading->challenge.token);
        if (!first || at(c, ','))
            skip_to_element(c);
        before = *c;
        name = take_token(c);
        skip_blanks(c);
        if (name.n == 0 || !at(c, '=')) {
            /* The next scheme, or, right behind this one, a word of base64 (token68). */
            *c = before;
            if (first && !at(c, ','))
                while (c->at < c->end && is_token68(*c->at))
                    c->at++;
            break;
        }
        c->at++;
        skip_blanks(c);
        value = at(c, '"') ? take_quoted(c) : take_token(c);
        r = take_parameter(reading, &name, &value);
        /* Padding of base64, and whatever else does not belong here. */
        while (c->at < c->end && *c->at != ',')
            c->at++;
        first = false;
    }
    return r;
}

static int name_scheme(const Part *scheme, Buffer *names)
{
    size_t n = buffer_size(names);

    if (n + scheme->n > NAMES_MAX)
        return 0;
    return (n > 0 ? buffer_append(names, ", ", 2) : 0)
               ?: buffer_append(names, scheme->data, scheme->n);
}

static void judge(const Part *scheme, Reading *reading)
{
    if (part_equal(scheme, "Digest"))
        reading->challenge.flaw = judge_digest(reading);
    else if (part_equal(scheme, "Basic"))
        reading->challenge.scheme = CHALLENGE_BASIC;
    else if (part_equal(scheme, "NTLM"))
        reading->challenge.scheme = CHALLENGE_NTLM;
    else if (part_equal(scheme, "Negotiate"))
        reading->challenge.scheme = CHALLENGE_NEGOTIATE;
}

/* A word of the same scheme says more than none, and so does a Digest that cannot be answered. */
static bool is_better(const Challenge *one, const Challenge *best)
{
    return one->scheme > best->scheme ||
           (one->scheme == best->scheme &&
               ((one->token && !best->token) || (one->flaw && !best->flaw)));
}

static bool is_allowed(const Challenge *one, unsigned allowed)
{
    return (one->flaw ? CHALLENGE_BITS_DIGEST : CHALLENGE_BIT(one->scheme)) & allowed;
}

static int read_one(Cursor *c, unsigned allowed, Challenge *best, Buffer *names)
{
    Reading reading = {0};
    Part scheme = take_token(c);
    int r;

    if (scheme.n == 0) { /* no scheme: nobody's word */
        while (c->at < c->end && *c->at != ',')
            c->at++;
        return 0;
    }
    r = name_scheme(&scheme, names);
    if (r >= 0 && (at(c, ' ') || at(c, '\t')))
        r = read_parameters(c, &reading);
    judge(&scheme, &reading);
    if (r >= 0 && is_allowed(&reading.challenge, allowed) && is_better(&reading.challenge, best)) {
        Challenge worse = *best;

        *best = reading.challenge;
        reading.challenge = worse;
    }
    challenge_done(&reading.challenge);
    return r;
}

int challenge_choose(const char *text, size_t n, unsigned allowed, Challenge *ret, Buffer *names)
{
    Cursor c = {text, text + n};
    int r = 0;

    *ret = (Challenge){0};
    skip_to_element(&c);
    while (r >= 0 && c.at < c.end) {
        r = read_one(&c, allowed, ret, names);
        skip_to_element(&c);
    }
    if (r < 0)
        challenge_done(ret);
    return r;
}

void challenge_done(Challenge *challenge)
{
    free(challenge->algorithm);
    free(challenge->realm);
    free(challenge->nonce);
    free(challenge->opaque);
    free(challenge->token);
    *challenge = (Challenge){0};
}
