/* Policies. Must never take for one what is cut, or half understood. */
#include "net/mta_sts.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <string.h>

#include "base/text.h"

#define TXT_MAX 512 /* bytes of a record that are looked at: an id has 32 characters */
#define PATTERN_MAX 255
#define DIGITS_MAX 10

void mta_sts_policy_done(MtaStsPolicy *policy)
{
    buffer_done(&policy->patterns);
    *policy = (MtaStsPolicy){0};
}

const char *mta_sts_mode_name(MtaStsMode mode)
{
    static const char *const names[] = {
        [MTA_STS_NONE] = "none", [MTA_STS_TESTING] = "testing", [MTA_STS_ENFORCE] = "enforce"};

    return names[mode];
}

/* ---- a policy ---- */

typedef struct Span {
    const char *at;
    size_t n;
} Span;

static bool equals(Span span, const char *text)
{
    return span.n == strlen(text) && memcmp(span.at, text, span.n) == 0;
}

static Span trim(Span span)
{
    while (span.n > 0 && (span.at[0] == ' ' || span.at[0] == '\t'))
        span.at++, span.n--;
    while (span.n > 0 && (span.at[span.n - 1] == ' ' || span.at[span.n - 1] == '\t'))
        span.n--;
    return span;
}

/* Bits of what has been read: of each the first counts (RFC 8461, 3.2). */
typedef enum Seen {
    SEEN_VERSION = 1,
    SEEN_MODE = 2,
    SEEN_AGE = 4,
    SEEN_MX = 8,
} Seen;

static int take_mode(Span value, MtaStsPolicy *policy)
{
    for (MtaStsMode mode = MTA_STS_NONE; mode <= MTA_STS_ENFORCE; mode++)
        if (equals(value, mta_sts_mode_name(mode))) {
            policy->mode = mode;
            return 0;
        }
    return -EBADMSG;
}

static int take_age(Span value, MtaStsPolicy *policy)
{
    uint64_t seconds = 0;

    if (value.n == 0 || value.n > DIGITS_MAX)
        return -EBADMSG;
    for (size_t i = 0; i < value.n; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return -EBADMSG;
        seconds = seconds * 10 + (uint64_t)(value.at[i] - '0');
    }
    policy->max_age = MIN(seconds * USEC_PER_SEC, MTA_STS_AGE_MAX);
    return 0;
}

/* "mail.example.com" or "*.example.com". */
static bool is_pattern(Span value)
{
    size_t i = value.n > 2 && value.at[0] == '*' && value.at[1] == '.' ? 2 : 0;
    bool label = false;

    if (value.n > PATTERN_MAX)
        return false;
    for (; i < value.n; i++) {
        char c = value.at[i];

        if (c == '.' && !label)
            return false;
        if (c != '.' && !text_is_alphanumeric(c) && c != '-' && c != '_')
            return false;
        label = c != '.';
    }
    return label;
}

static int take_mx(Span value, MtaStsPolicy *policy)
{
    char *to;

    if (value.n > 0 && value.at[value.n - 1] == '.') /* the root's */
        value.n--;
    if (!is_pattern(value))
        return -EBADMSG;
    to = buffer_reserve(&policy->patterns, value.n + 1);
    if (!to)
        return -ENOMEM;
    for (size_t i = 0; i < value.n; i++)
        to[i] = text_fold(value.at[i]);
    to[value.n] = '\0';
    buffer_commit(&policy->patterns, value.n + 1);
    return 0;
}

/* What it has beside is for later versions. */
static int take_field(Span name, Span value, unsigned *seen, MtaStsPolicy *policy)
{
    unsigned bit = equals(name, "version")   ? SEEN_VERSION
                   : equals(name, "mode")    ? SEEN_MODE
                   : equals(name, "max_age") ? SEEN_AGE
                   : equals(name, "mx")      ? SEEN_MX
                                             : 0;
    bool again = *seen & bit && bit != SEEN_MX;

    if (*seen == 0 && bit != SEEN_VERSION)
        return -EBADMSG;
    *seen |= bit;
    if (again)
        return 0;
    switch (bit) {
    case SEEN_VERSION: return equals(value, "STSv1") ? 0 : -EBADMSG;
    case SEEN_MODE: return take_mode(value, policy);
    case SEEN_AGE: return take_age(value, policy);
    case SEEN_MX: return take_mx(value, policy);
    default: return 0;
    }
}

static int take_line(Span line, unsigned *seen, MtaStsPolicy *policy)
{
    const char *colon;

    if (line.n > 0 && line.at[line.n - 1] == '\r')
        line.n--;
    line = trim(line);
    if (line.n == 0)
        return 0;
    colon = memchr(line.at, ':', line.n);
    if (!colon || memchr(line.at, '\0', line.n))
        return -EBADMSG;
    return take_field(trim((Span){line.at, (size_t)(colon - line.at)}),
        trim((Span){colon + 1, line.n - (size_t)(colon + 1 - line.at)}), seen, policy);
}

int mta_sts_parse(const char *text, size_t n, MtaStsPolicy *ret)
{
    unsigned seen = 0;
    int r = n > MTA_STS_POLICY_MAX ? -EBADMSG : 0;

    *ret = (MtaStsPolicy){0};
    for (size_t at = 0; at < n && r == 0;) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t size = end ? (size_t)(end - (text + at)) : n - at;

        r = take_line((Span){text + at, size}, &seen, ret);
        at += size + 1;
    }
    if (r == 0 && (!(seen & SEEN_VERSION) || !(seen & SEEN_MODE) || !(seen & SEEN_AGE) ||
                      (!(seen & SEEN_MX) && ret->mode != MTA_STS_NONE)))
        r = -EBADMSG;
    if (r < 0)
        mta_sts_policy_done(ret);
    return r;
}

static bool matches(const char *pattern, const char *host, size_t n)
{
    size_t label = 0, size = strlen(pattern);

    if (pattern[0] == '*') {
        while (label < n && host[label] != '.')
            label++;
        if (label == 0)
            return false;
        pattern++, size--;
    }
    if (size != n - label)
        return false;
    for (size_t i = 0; i < size; i++)
        if (text_fold(host[label + i]) != pattern[i])
            return false;
    return true;
}

bool mta_sts_matches(const MtaStsPolicy *policy, const char *host)
{
    const char *at = buffer_data(&policy->patterns);
    size_t left = buffer_size(&policy->patterns), n = strlen(host);

    if (n > 0 && host[n - 1] == '.')
        n--;
    while (left > 0) {
        size_t size = strlen(at) + 1;

        if (n > 0 && matches(at, host, n))
            return true;
        at += size;
        left -= size;
    }
    return false;
}

void mta_sts_list(const MtaStsPolicy *policy, char ret[static MTA_STS_LIST_MAX])
{
    const char *at = buffer_data(&policy->patterns);
    size_t left = buffer_size(&policy->patterns), used = 0;

    ret[0] = '\0';
    while (left > 0) {
        size_t size = strlen(at) + 1;

        if (used + size + strlen(", ...") + 2 > MTA_STS_LIST_MAX) {
            strcpy(ret + used, used > 0 ? ", ..." : "...");
            return;
        }
        used = (size_t)(stpcpy(stpcpy(ret + used, used > 0 ? ", " : ""), at) - ret);
        at += size;
        left -= size;
    }
}

/* ---- the record ---- */

/* The strings of a TXT record in one, as far as they are looked at. */
static size_t join(const unsigned char *data, size_t n, char text[static TXT_MAX])
{
    size_t used = 0;

    for (size_t at = 0; at < n; at += 1 + (size_t)data[at]) {
        size_t size = MIN((size_t)data[at], n - at - 1);

        size = MIN(size, TXT_MAX - used);
        memcpy(text + used, data + at + 1, size);
        used += size;
    }
    return used;
}

static bool is_record(Span text)
{
    static const char version[] = "v=STSv1";
    size_t n = strlen(version);

    if (text.n < n || memcmp(text.at, version, n) != 0)
        return false;
    text = trim((Span){text.at + n, text.n - n});
    return text.n == 0 || text.at[0] == ';';
}

static bool take_id(Span value, char id[static MTA_STS_ID_MAX])
{
    if (value.n == 0 || value.n >= MTA_STS_ID_MAX)
        return false;
    for (size_t i = 0; i < value.n; i++)
        if (!text_is_alphanumeric(value.at[i]))
            return false;
    memcpy(id, value.at, value.n);
    id[value.n] = '\0';
    return true;
}

/* The first that is called so. */
static bool find_id(Span text, char id[static MTA_STS_ID_MAX])
{
    while (text.n > 0) {
        const char *end = memchr(text.at, ';', text.n);
        size_t n = end ? (size_t)(end - text.at) : text.n;
        Span field = trim((Span){text.at, n});
        const char *equal = field.n > 0 ? memchr(field.at, '=', field.n) : NULL;

        if (equal && equals(trim((Span){field.at, (size_t)(equal - field.at)}), "id"))
            return take_id(trim((Span){equal + 1, field.n - (size_t)(equal + 1 - field.at)}), id);
        n = end ? n + 1 : n;
        text = (Span){text.at + n, text.n - n};
    }
    return false;
}

int mta_sts_record(const unsigned char *message, size_t n, char ret_id[static MTA_STS_ID_MAX])
{
    char id[MTA_STS_ID_MAX] = "";
    ns_msg parsed;
    unsigned found = 0;
    bool good = false;

    ret_id[0] = '\0';
    if (n > NS_MAXMSG || ns_initparse(message, (int)n, &parsed) < 0)
        return -EBADMSG;
    for (int i = 0; i < ns_msg_count(parsed, ns_s_an); i++) {
        char text[TXT_MAX];
        ns_rr record;
        size_t size;

        if (ns_parserr(&parsed, ns_s_an, i, &record) < 0)
            return -EBADMSG;
        if (ns_rr_class(record) != ns_c_in || ns_rr_type(record) != ns_t_txt)
            continue;
        size = join(ns_rr_rdata(record), ns_rr_rdlen(record), text);
        if (!is_record((Span){text, size}))
            continue;
        found++;
        good = find_id((Span){text, size}, id);
    }
    if (found != 1 || !good)
        return 0;
    memcpy(ret_id, id, sizeof(id));
    return 1;
}
