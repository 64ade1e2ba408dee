/* main.cf, read without Postfix's programs. Must never put in a value that it only guesses. */
#include "foreign/main_cf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/errors.h"
#include "base/macros.h"
#include "base/text.h"

#define BLANKS " \t"
#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

#define STEPS_MAX 20             /* values put in for one */
#define DEPTH_MAX 10             /* of those that are put in for others */
#define EXPANDED_MAX (32 * 1024) /* bytes of what comes of that */

/* What holds where nothing is set. */
static const struct {
    const char *name, *value;
} defaults[] = {
    {"config_directory", "/etc/postfix"},
    {"default_database_type", "hash"},
    {"mail_name", "Postfix"},
    {"data_directory", "/var/lib/postfix"},
    {"smtp_helo_name", "$myhostname"},
    {"myorigin", "$myhostname"},
};

/* What the names of Postfix's parameters begin with of which one has a value where nothing is set.
 */
static const char families[] =
    " 2bounce access address alias allow always anvil append application authorized backwards"
    " berkeley biff body bounce broken canonical cleanup command compatibility config confirm"
    " connection daemon data debug default defer delay deliver destination detect disable dns"
    " dnsblog dnssec dont double duplicate empty enable error execution expand export fast"
    " fault flush fork forward frozen hash header helpful hopcount html ignore import in inet"
    " info initial invalid ipc known line lmdb lmtp local mail mailbox maillog mailq manpage"
    " maps masquerade max maximal message meta milter mime minimal multi mydestination"
    " mydomain myhostname mynetworks myorigin nested newaliases non notify openssl owner"
    " parent pickup pipe plaintext postlog postlogd postmulti postscreen prepend process"
    " propagate proxy proxymap proxywrite qmgr qmqpd queue readme recipient reject relay"
    " require reset resolve respectful retry rewrite sample send sender sendmail service"
    " setgid shlib show showq smtp smtpd smtputf8 soft stale strict sun swap syslog tcp tls"
    " tlsmgr tlsproxy trace transport trigger unknown unverified verp virtual"
    " ";

/* Those that begin so, and have none. */
static const char *const empty[] = {
    "default_filter_nexthop",
    "local_command_shell",
    "mailbox_transport",
    "recipient_canonical_maps",
    "recipient_delimiter",
    "sender_bcc_maps",
    "sender_canonical_maps",
    "sender_dependent_default_transport_maps",
    "sender_dependent_relayhost_maps",
    "smtp_bind_address",
    "smtp_bind_address6",
    "smtp_generic_maps",
    "smtp_header_checks",
    "smtp_sasl_mechanism_filter",
    "smtp_sasl_password_maps",
    "smtp_tls_CAfile",
    "smtp_tls_CApath",
    "smtp_tls_cert_file",
    "smtp_tls_policy_maps",
    "smtp_tls_security_level",
    "transport_maps",
    "virtual_mailbox_maps",
};

/* ---- lines ---- */

void main_cf_speak_of(MainCf *m, const MainCfParameter *p)
{
    m->t.source = p->source;
    m->t.line = p->line;
}

static MainCfParameter *find(MainCf *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->all[i].name, name) == 0)
            return &m->all[i];
    return NULL;
}

MainCfParameter *main_cf_find(MainCf *m, const char *name)
{
    MainCfParameter *p = find(m, name);

    if (p)
        main_cf_speak_of(m, p);
    return p;
}

void main_cf_pass_over(MainCf *m, const char *name)
{
    MainCfParameter *p = main_cf_find(m, name);

    if (p)
        p->used = true;
}

void main_cf_wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

/* What sets a parameter last holds. */
int main_cf_set(MainCf *m, const char *name, const char *value, Failure *f)
{
    MainCfParameter *p = find(m, name);

    if (!p && m->n == MAIN_CF_MAX)
        return failure_set(f, -E2BIG, ERROR_CONFIGURATION, "%s: more than %d parameters",
            m->t.source, MAIN_CF_MAX);
    if (!p) {
        p = &m->all[m->n++];
        *p = (MainCfParameter){.name = strdup(name)};
    }
    main_cf_wipe(p->value);
    p->value = strdup(value);
    p->source = m->t.source;
    p->line = m->t.line;
    return p->name && p->value ? 0 : failure_set_errno(f, -ENOMEM, "%s", m->t.source);
}

static int take_line(Translation *t, char *line, Failure *f)
{
    char *value = strchr(line, '=');

    if (!value) {
        translation_note(t, "this line sets nothing, and is passed over");
        return 0;
    }
    *value++ = '\0';
    return main_cf_set((MainCf *)t, text_trim(line), text_trim(value), f);
}

/* What a relative path of it begins with is not what it is for outboxd. */
static int take_directory(MainCf *m)
{
    const char *slash = strrchr(m->path, '/');
    _cleanup_free_
    char *directory = slash ? strndup(m->path, (size_t)(slash - m->path)) : strdup(".");

    if (!directory)
        return -ENOMEM;
    if (strcmp(slash ? slash + 1 : m->path, "main.cf") != 0)
        return 0;
    m->directory = *m->path == '/' ? TAKE_PTR(directory) : realpath(directory, NULL);
    return m->directory || errno != ENOMEM ? 0 : -ENOMEM;
}

int main_cf_read(MainCf *m, const char *path, Failure *f)
{
    struct stat st;
    bool is_directory = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    int r = asprintf(&m->path, "%s%s", path, is_directory ? "/main.cf" : "");

    if (r < 0)
        m->path = NULL;
    r = r < 0 ? -ENOMEM : take_directory(m);
    if (r < 0)
        return failure_set_errno(f, r, "%s", path);
    r = translation_read_joined(&m->t, m->path, take_line, f);
    return r == -ENOENT ? failure_set(f, r, ERROR_FILE, "%s is not there", m->path) : r;
}

void main_cf_done(MainCf *m)
{
    for (size_t i = 0; i < m->n; i++) {
        free(m->all[i].name);
        main_cf_wipe(m->all[i].value);
    }
    m->n = 0;
    free(m->directory);
    free(m->path);
    free(m->services);
}

/* ---- values ---- */

/* What is put in for one value. */
typedef struct Expansion {
    MainCf *m;
    Buffer out;
    unsigned steps;
    char *unknown; /* what cannot be put in */
} Expansion;

static int expand(Expansion *e, const char *text, unsigned depth);

static const char *default_of(const MainCf *m, const char *name)
{
    if (m->directory && strcmp(name, "config_directory") == 0)
        return m->directory;
    for (size_t i = 0; i < ELEMENTSOF(defaults); i++)
        if (strcmp(defaults[i].name, name) == 0)
            return defaults[i].value;
    return NULL;
}

static const char *find_text(Expansion *e, const char *name)
{
    MainCfParameter *p = main_cf_find(e->m, name);
    const char *host, *dot;

    if (p)
        p->used = true;
    if (p || strcmp(name, "mydomain") != 0)
        return p ? p->value : default_of(e->m, name);
    p = main_cf_find(e->m, "myhostname"); /* without its first label */
    host = p ? p->value : NULL;
    dot = host && !strchr(host, '$') ? strchr(host, '.') : NULL;
    return dot && strchr(dot + 1, '.') ? dot + 1 : dot ? host : NULL;
}

/* Whether Postfix may have a value for it that is not said here. */
static bool may_have_default(const char *name)
{
    char word[64];
    size_t n = strcspn(name, "_");

    for (size_t i = 0; i < ELEMENTSOF(empty); i++)
        if (strcmp(empty[i], name) == 0)
            return false;
    if (n + 2 >= sizeof(word))
        return false;
    snprintf(word, sizeof(word), " %.*s ", (int)n, name);
    return strstr(families, word) != NULL;
}

static int note_unknown(Expansion *e, const char *name)
{
    free(e->unknown);
    e->unknown = strdup(name);
    return e->unknown ? -EINVAL : -ENOMEM;
}

static int put_in(Expansion *e, const char *name, unsigned depth)
{
    const char *text = depth < DEPTH_MAX && e->steps++ < STEPS_MAX ? find_text(e, name) : NULL;

    return text ? expand(e, text, depth + 1) : note_unknown(e, name);
}

/* The bracket that closes the one at `at`; NULL: none does. */
static const char *find_end(const char *at)
{
    char begin = *at, end = begin == '{' ? '}' : ')';
    unsigned depth = 0;

    for (; *at; at++) {
        if (*at == begin)
            depth++;
        else if (*at == end && --depth == 0)
            return at;
    }
    return NULL;
}

/* What is in the braces that *text begins with; *text goes behind them. NULL: they do not end. */
static char *take_braced(char **text)
{
    char *start = *text;
    const char *end = find_end(start);

    if (!end)
        return NULL;
    *text = start + (end - start);
    *(*text)++ = '\0';
    return start + 1;
}

/* "{text}", "{text}:{other}": of which one is put in. Whether it is so written. */
static bool split_choice(char **text, char **ret_other)
{
    char *rest = *text + strspn(*text, BLANKS);

    *text = take_braced(&rest);
    rest += strspn(rest, BLANKS);
    if (*text && ret_other && *rest == ':') {
        rest += 1 + strspn(rest + 1, BLANKS);
        *ret_other = *rest == '{' ? take_braced(&rest) : NULL;
        rest += strspn(rest, BLANKS);
    }
    return *text && !*rest;
}

/* ${name?text}, ${name:text}: the text, where it is set, or is not; ${name?{text}:{other}}. */
static int put_in_by_condition(Expansion *e, char *inside, unsigned depth)
{
    size_t n = strspn(inside, NAME_LETTERS);
    char *text = inside + n + (inside[n] != '\0'), *other = NULL;
    char sign = inside[n];
    const char *value;

    inside[n] = '\0';
    if (n == 0 || depth >= DEPTH_MAX || (sign != '\0' && sign != '?' && sign != ':'))
        return note_unknown(e, "{...}");
    if (sign == '\0')
        return put_in(e, inside, depth);
    if (text[strspn(text, BLANKS)] == '{' && !split_choice(&text, sign == '?' ? &other : NULL))
        return note_unknown(e, "{...}");
    value = find_text(e, inside);
    if (!value && may_have_default(inside))
        return note_unknown(e, inside);
    if ((value && *value) != (sign == '?'))
        text = other;
    return text ? expand(e, text, depth + 1) : 0;
}

/* From behind the '$' on: how much of it was put in. */
static int put_in_next(Expansion *e, const char *at, unsigned depth, size_t *ret)
{
    bool is_open = *at == '{' || *at == '(';
    const char *end = is_open ? find_end(at) : NULL;
    size_t n = is_open ? (end ? (size_t)(end - at) - 1 : 0) : strspn(at, NAME_LETTERS);
    _cleanup_free_
    char *inside = strndup(at + (is_open ? 1 : 0), n);

    if (!inside)
        return -ENOMEM;
    *ret = n + (is_open ? 2 : 0);
    if (n == 0 || (is_open && !end))
        return note_unknown(e, "{...}");
    return put_in_by_condition(e, inside, depth);
}

static int expand(Expansion *e, const char *text, unsigned depth)
{
    int r = 0;

    while (r >= 0 && *text) {
        size_t n = strcspn(text, "$");

        r = buffer_size(&e->out) + n > EXPANDED_MAX ? -EINVAL : buffer_append(&e->out, text, n);
        text += n;
        if (r < 0 || !*text)
            break;
        if (text[1] == '$') {
            r = buffer_append(&e->out, "$", 1);
            text += 2;
            continue;
        }
        r = put_in_next(e, text + 1, depth, &n);
        text += 1 + (r < 0 ? 0 : n);
    }
    return r;
}

static char *end_value(Expansion *e, const char *name, int r)
{
    char *value = NULL;

    if (r >= 0)
        r = buffer_append(&e->out, "", 1);
    if (r == -ENOMEM)
        e->m->t.is_short = true;
    else if (r < 0)
        translation_note(&e->m->t, "%s is not taken: what $%s stands for is not said here", name,
            e->unknown ?: "...");
    else
        value = strdup(text_trim((char *)(uintptr_t)buffer_data(&e->out)));
    if (r >= 0 && !value)
        e->m->t.is_short = true;
    if (value && !*value)
        free(TAKE_PTR(value));
    if (buffer_size(&e->out) > 0)
        explicit_bzero((char *)(uintptr_t)buffer_data(&e->out), buffer_size(&e->out));
    buffer_done(&e->out);
    free(e->unknown);
    return value;
}

char *main_cf_value(MainCf *m, const char *name)
{
    MainCfParameter *p = main_cf_find(m, name);
    Expansion e = {.m = m};
    int r;

    if (!p)
        return NULL;
    p->used = true;
    r = expand(&e, p->value, 0);
    main_cf_speak_of(m, p);
    return end_value(&e, name, r);
}

static char *next_between(char **list, const char *separators)
{
    char *word;
    unsigned depth = 0;

    *list += strspn(*list, separators);
    if (!**list)
        return NULL;
    word = *list;
    for (; **list && (depth > 0 || !strchr(separators, **list)); ++*list)
        depth = **list == '{' ? depth + 1 : **list == '}' && depth > 0 ? depth - 1 : depth;
    if (**list)
        *(*list)++ = '\0';
    return word;
}

char *main_cf_next(char **list)
{
    return next_between(list, BLANKS ",");
}

char *main_cf_next_word(char **line)
{
    return next_between(line, BLANKS);
}

const char *main_cf_text_of(const char *table)
{
    static const char *const types[] = {
        "hash:", "lmdb:", "btree:", "cdb:", "texthash:", "dbm:", "sdbm:"};

    table += text_starts_nocase(table, "proxy:") ? strlen("proxy:") : 0;
    for (size_t i = 0; i < ELEMENTSOF(types); i++)
        if (text_starts_nocase(table, types[i]))
            return table + strlen(types[i]);
    return *table == '/' ? table : NULL;
}

char *main_cf_unbrace(char *text)
{
    size_t n;

    text = text_trim(text);
    n = strlen(text);
    if (n < 2 || *text != '{' || text[n - 1] != '}')
        return text;
    text[n - 1] = '\0';
    return text_trim(text + 1);
}
