/* Reading aliases and following them. Must never run a command, write to a file, or go in circles;
 * must never leave out a recipient without a word. */
#include "message/aliases.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "base/text.h"
#include "message/address.h"
#include "message/mend.h"

typedef struct Alias {
    char *name; /* NULL: the line is none */
    char *targets;
    size_t line;
    bool followed; /* for the recipient that is being added */
} Alias;

struct Aliases {
    Alias *list; /* by name once the file has been read */
    size_t n, allocated;
    /* For the recipient that is being added. */
    size_t n_included;
    bool root_followed;
};

void aliases_free(Aliases *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->n; i++) {
        free(a->list[i].name);
        free(a->list[i].targets);
    }
    free(a->list);
    free(a);
}

/* ---- reading ---- */

/* The colon that ends the name, which may be quoted. */
static const char *find_colon(const char *at, const char *end)
{
    bool quoted = false;

    for (; at < end; at++) {
        if (*at == '\\' && at + 1 < end)
            at++;
        else if (*at == '"')
            quoted = !quoted;
        else if (*at == ':' && !quoted)
            return at;
    }
    return NULL;
}

typedef struct OneAddress {
    char *address;
    bool is_bare;
    unsigned n;
} OneAddress;

static int take_one(void *user, const AddressItem *item)
{
    OneAddress *one = user;

    if (item->kind != ADDRESS_MAILBOX)
        return -EBADMSG;
    if (one->n++ > 0)
        return -EBADMSG;
    one->is_bare = item->gap;
    one->address = strndup(item->address, item->n_address);
    return one->address ? 0 : -ENOMEM;
}

/* One address, or a local part alone. 0, -EINVAL or -EBADMSG for anything else, or -ENOMEM. */
static int read_one(const char *text, size_t n, OneAddress *one)
{
    int r = address_list_parse(text, n, ADDRESS_RECIPIENTS, take_one, one, NULL);

    return r >= 0 && one->n == 0 ? -EBADMSG : r;
}

static Alias *grow(Aliases *a)
{
    if (a->n == a->allocated) {
        size_t allocated = a->allocated ? a->allocated * 2 : 16;
        Alias *list = reallocarray(a->list, allocated, sizeof(Alias));

        if (!list)
            return NULL;
        a->list = list;
        a->allocated = allocated;
    }
    a->list[a->n] = (Alias){0};
    return &a->list[a->n++];
}

/* A line with those that continue it. */
static int add_line(Aliases *a, const char *data, size_t n, size_t line)
{
    const char *colon = find_colon(data, data + n);
    Alias *alias = grow(a);
    OneAddress one = {0};
    int r;

    if (!alias)
        return -ENOMEM;
    alias->line = line;
    if (!colon || memchr(data, '\0', n))
        return 0;
    r = read_one(data, (size_t)(colon - data), &one);
    if (r < 0 || !one.is_bare) {
        free(one.address);
        return r == -ENOMEM ? r : 0;
    }
    alias->name = one.address;
    alias->targets = strndup(colon + 1, n - (size_t)(colon + 1 - data));
    return alias->targets ? 0 : -ENOMEM;
}

static int compare(const void *a, const void *b)
{
    const Alias *one = a, *other = b;
    int order;

    if (!one->name || !other->name)
        order = !other->name - !one->name;
    else
        order = strcasecmp(one->name, other->name);
    return order ? order : one->line < other->line ? -1 : one->line > other->line;
}

/* Whether a line goes on, or says, nothing. */
static bool is_comment(const char *at, const char *end)
{
    while (at < end && text_is_space(*at))
        at++;
    return at == end || *at == '#';
}

int aliases_parse(const char *data, size_t n, Aliases **ret)
{
    _cleanup_(aliases_free_p) Aliases *a = calloc(1, sizeof(Aliases));
    _cleanup_buffer_ Buffer text = {0};
    size_t mark = n >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* editors put it there */
    const char *at = data + mark, *end = data + n;
    size_t line = 0, first = 0;
    int r = a ? 0 : -ENOMEM;

    while (r >= 0 && at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at)),
                   *next = newline ? newline + 1 : end;

        line++;
        if (!is_comment(at, next)) {
            if (!text_is_space(*at) && buffer_size(&text) > 0) {
                r = add_line(a, buffer_data(&text), buffer_size(&text), first);
                buffer_clear(&text);
            }
            if (buffer_size(&text) == 0)
                first = line;
            if (r >= 0)
                r = buffer_append(&text, at, (size_t)(next - at));
        }
        at = next;
    }
    if (r >= 0 && buffer_size(&text) > 0)
        r = add_line(a, buffer_data(&text), buffer_size(&text), first);
    if (r < 0)
        return r;
    if (a->n > 0)
        qsort(a->list, a->n, sizeof(Alias), compare);
    *ret = TAKE_PTR(a);
    return 0;
}

/* The first rule for that name. */
static Alias *find(const Aliases *a, const char *name)
{
    size_t low = 0, high = a ? a->n : 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (!a->list[middle].name || strcasecmp(a->list[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return a && low < a->n && strcasecmp(a->list[low].name, name) == 0 ? &a->list[low] : NULL;
}

/* ---- following ---- */

/* A name on the way from a recipient to its addresses. */
typedef struct Way {
    const LocalNames *names;
    Envelope *envelope;
    const char *parameters; /* for whom a rule names */
    Failure *failure;
    const char *name; /* whose rule is followed */
    Alias *alias;     /* NULL: root's setting */
    const struct Way *from;
    size_t n_included; /* files, one in the other */
    size_t left_out;   /* names that are their own rule's */
    size_t n;          /* elements */
} Way;

#define DEPTH_MAX 50 /* of names, one in the other */
#define INCLUDES_MAX 5
#define FILES_MAX 100 /* that are included for one recipient */

static int refuse(const Way *way, const char *what, const char *why)
{
    const LocalNames *names = way->names;

    if (!way->alias)
        return failure_set(way->failure, -EINVAL, ERROR_CONFIGURATION,
            "the setting local.root has \"%s\", %s", what, why);
    return failure_set(way->failure, -EINVAL, ERROR_CONFIGURATION, "%s:%zu: %s has \"%s\", %s",
        names->path, way->alias->line, way->name, what, why);
}

static int follow(Way *way, const char *text, size_t n);
static int add_name(const LocalNames *names, const Way *from, Envelope *e, const char *name,
    const char *parameters, Failure *f);

static int add_address(const Way *way, const char *address)
{
    if (way->envelope->n_recipients >= ALIASES_RECIPIENTS_MAX &&
        envelope_find(way->envelope, address) == SIZE_MAX)
        return refuse(way, address,
            "which is one recipient more than the 1000 that a message may "
            "get by rules; have the relay keep such a list");
    return envelope_add_recipient(way->envelope, address, way->parameters, way->failure);
}

/* ":include:/path". */
static int include(Way *way, const char *element)
{
    const char *path = element + strlen(":include:");
    _cleanup_buffer_ Buffer text = {0};
    int r;

    path += strspn(path, " \t");
    if (!way->names->include)
        return refuse(way, element, "which is not followed: local.alias_includes is false");
    if (path[0] != '/')
        return refuse(way, element, "which is no path that begins with /");
    if (!way->alias)
        return refuse(way, element, "which is for the file of aliases alone");
    if (way->n_included >= INCLUDES_MAX || way->names->aliases->n_included++ >= FILES_MAX)
        return refuse(way, element, "which is included by too many files, or one of too many");
    r = way->names->include(way->names->user, path, &text, way->failure);
    if (r < 0)
        return r;
    way->n_included++;
    for (const char *at = buffer_data(&text), *end = at + buffer_size(&text); r >= 0 && at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at)), *next = newline ? newline : end;

        if (!is_comment(at, next))
            r = follow(way, at, (size_t)(next - at));
        at = newline ? newline + 1 : end;
    }
    way->n_included--;
    return r;
}

/* ":include:/path" in quotes, as sendmail has it, is the same. */
static void unquote_include(char *element)
{
    size_t n = strlen(element);

    if (!text_starts_nocase(element, "\":include:") || element[n - 1] != '"')
        return;
    memmove(element, element + 1, n - 2);
    element[n - 2] = '\0';
}

/* Whether it is what delivers on this machine; and why it is not followed. */
static const char *why_refused(const char *element)
{
    const char *at = element + (element[0] == '"');

    if (at[0] == '|')
        return "which is a command: outbox runs none; give an address instead";
    if (at[0] == '/')
        return "which is a file: outbox delivers to none; give an address instead";
    if (at[0] == '\\')
        return "which is a mailbox of this machine: outbox delivers to none; give an address "
               "instead";
    if (at[0] == ':')
        return "which is no address";
    return NULL;
}

typedef struct Checking {
    const Alias *alias;
    Buffer *wrong; /* a line each */
} Checking;

static int check_element(void *user, const char *text, size_t n)
{
    const Checking *c = user;
    _cleanup_free_
    char *element = strndup(text, n);
    OneAddress one = {0};
    const char *why;
    int r = 0;

    if (!element)
        return -ENOMEM;
    unquote_include(element);
    if (text_starts_nocase(element, ":include:"))
        return 0;
    why = why_refused(element);
    if (!why)
        r = read_one(text, n, &one);
    free(one.address);
    if (r == -ENOMEM || (!why && r >= 0))
        return r;
    return buffer_appendf(c->wrong, "line %zu: %s has \"%s\", %s\n", c->alias->line, c->alias->name,
        element, why ?: "which is no address");
}

/* `one` is the rule for a name in front of it; NULL: there is none. 0 or -ENOMEM. */
static int check_alias(const Alias *alias, const Alias *one, Buffer *wrong)
{
    int r;

    if (!alias->name)
        return buffer_appendf(
            wrong, "line %zu is none of aliases; write NAME: ADDRESS, ...\n", alias->line);
    if (one && one->name && strcasecmp(one->name, alias->name) == 0)
        return buffer_appendf(wrong,
            "line %zu has a second rule for %s, which counts for nothing beside line %zu\n",
            alias->line, alias->name, one->line);
    r = address_list_split(
        alias->targets, strlen(alias->targets), check_element, &(Checking){alias, wrong});
    if (r == -ENOMEM || r >= 0)
        return MIN(r, 0);
    return buffer_appendf(
        wrong, "line %zu: %s has what is no list of addresses\n", alias->line, alias->name);
}

static int by_line(const void *a, const void *b)
{
    const Alias *one = *(const Alias *const *)a, *other = *(const Alias *const *)b;

    return (one->line > other->line) - (one->line < other->line);
}

int aliases_check(const Aliases *a, Failure *f)
{
    _cleanup_free_
    const Alias **lines = calloc(a->n + 1, sizeof(*lines));
    _cleanup_buffer_ Buffer wrong = {0};
    int r = lines ? 0 : -ENOMEM;

    for (size_t i = 0; lines && i < a->n; i++)
        lines[i] = &a->list[i];
    if (lines)
        qsort(lines, a->n, sizeof(*lines), by_line);
    for (size_t i = 0; r >= 0 && i < a->n; i++)
        r = check_alias(lines[i], lines[i] > a->list ? lines[i] - 1 : NULL, &wrong);
    if (r < 0)
        return failure_set_errno(f, r, "cannot read the aliases");
    if (buffer_size(&wrong) == 0)
        return 0;
    return failure_set(f, -EBADMSG, ERROR_CONFIGURATION, "%.*s", (int)buffer_size(&wrong) - 1,
        buffer_data(&wrong));
}

static bool is_own(const LocalNames *names, const char *domain)
{
    for (const char *const *own = names->own; own && *own; own++)
        if (text_equal_nocase(*own, domain))
            return true;
    return false;
}

/* The local part of an address of this machine; NULL: it is none. Caller frees. */
static char *own_local_part(const LocalNames *names, const char *address)
{
    const char *domain = address_domain(address);

    return domain && is_own(names, domain) ? strndup(address, (size_t)(domain - 1 - address))
                                           : NULL;
}

static bool has_rule(const LocalNames *names, const char *name)
{
    return (names->root && text_equal_nocase(name, "root")) || find(names->aliases, name) ||
           (text_equal_nocase(name, "postmaster") && has_rule(names, "root"));
}

static int follow_address(Way *way, const OneAddress *one)
{
    _cleanup_free_
    char *local = one->is_bare ? strdup(one->address) : own_local_part(way->names, one->address);

    if (one->is_bare && !local)
        return -ENOMEM;
    if (!local || (!one->is_bare && !has_rule(way->names, local)))
        return add_address(way, one->address);
    if (text_equal_nocase(local, way->name)) {
        way->left_out++;
        return 0;
    }
    return add_name(way->names, way, way->envelope, local, way->parameters, way->failure);
}

static int follow_element(void *user, const char *text, size_t n)
{
    Way *way = user;
    _cleanup_free_
    char *element = strndup(text, n);
    OneAddress one = {0};
    const char *why;
    int r;

    if (!element)
        return -ENOMEM;
    way->n++;
    unquote_include(element);
    if (text_starts_nocase(element, ":include:"))
        return include(way, element);
    why = why_refused(element);
    if (why)
        return refuse(way, element, why);
    r = read_one(text, n, &one);
    if (r == -EINVAL || r == -EBADMSG)
        r = refuse(way, element, "which is no address");
    if (r >= 0)
        r = follow_address(way, &one);
    free(one.address);
    return r;
}

static int follow(Way *way, const char *text, size_t n)
{
    return address_list_split(text, n, follow_element, way);
}

static int fail_loop(const Way *way)
{
    _cleanup_buffer_ Buffer names = {0};

    for (const Way *at = way; at; at = at->from)
        if (buffer_appendf(&names, "%s%s", at == way ? "" : " < ", at->name) < 0)
            return -ENOMEM;
    return failure_set(way->failure, -EINVAL, ERROR_CONFIGURATION,
        "the rules for %s lead to each other in a circle (%.*s); see local.root and %s", way->name,
        (int)MIN(buffer_size(&names), (size_t)300), buffer_data(&names), way->names->path);
}

static bool was_followed(const Way *way)
{
    return way->alias ? way->alias->followed
                      : way->names->aliases && way->names->aliases->root_followed;
}

/* A rule all of whose targets are followed, once for a message. */
static int follow_rule(Way *way, const char *targets)
{
    size_t depth = 0;
    int r;

    for (const Way *at = way->from; at; at = at->from, depth++)
        if (text_equal_nocase(at->name, way->name))
            return fail_loop(way);
    if (depth >= DEPTH_MAX)
        return refuse(way, way->name, "which is behind too many other names; name an address");
    if (was_followed(way))
        return 0;
    r = follow(way, targets, strlen(targets));
    if (r < 0)
        return r;
    if (way->alias)
        way->alias->followed = true;
    else if (way->names->aliases)
        way->names->aliases->root_followed = true;
    if (way->n > 0 && way->left_out < way->n)
        return 0;
    return refuse(way, way->n > 0 ? way->name : "",
        way->n > 0 ? "which is itself: outbox delivers to no mailbox here; give an address instead"
                   : "so that mail for it goes nowhere; give an address");
}

/* A name of this machine that has no rule. */
static int add_without_rule(
    const LocalNames *names, Envelope *e, const char *name, const char *parameters, Failure *f)
{
    char address[2 * ADDRESS_MAX];

    if (names->unread)
        return failure_set(f, -EINVAL, ERROR_FILE,
            "%s is a name of this machine, and where its mail goes is not known: %s cannot be read "
            "(%s); mend that, or name another file in local.aliases",
            name, names->path, names->unread);
    if (names->domain) {
        (void)snprintf(address, sizeof(address), "%s@%s", name, names->domain);
        return envelope_add_recipient(e, address, parameters, f);
    }
    return failure_set(f, -EINVAL, ERROR_NO_RECIPIENT,
        "%s is a name of this machine, which has no mailboxes, and no rule says where its mail "
        "goes: set %s, give it a line in %s, or set local.domain where such names are known",
        name, text_equal_nocase(name, "root") ? "local.root" : "local.root for root", names->path);
}

static int add_name(const LocalNames *names, const Way *from, Envelope *e, const char *name,
    const char *parameters, Failure *f)
{
    bool is_root = names->root && text_equal_nocase(name, "root");
    Way way = {.names = names,
        .envelope = e,
        .parameters = parameters,
        .failure = f,
        .name = name,
        .from = from,
        .n_included = from ? from->n_included : 0};

    if (!from && names->aliases)
        names->aliases->n_included = 0;
    if (is_root)
        return follow_rule(&way, names->root);
    way.alias = find(names->aliases, name);
    if (way.alias)
        return follow_rule(&way, way.alias->targets);
    if (text_equal_nocase(name, "postmaster") && has_rule(names, "root"))
        return add_name(names, from, e, "root", parameters, f);
    return add_without_rule(names, e, name, parameters, f);
}

/* The parameters with ORCPT, which only ASCII has a form for here. 0 or -ENOMEM. */
static int add_original(const LocalNames *names, const char *address, char **parameters)
{
    _cleanup_buffer_ Buffer text = {0};
    int r = buffer_append_string(&text, "ORCPT=rfc822;");

    if (!text_is_ascii(address, strlen(address)))
        return 0;
    if (r >= 0)
        r = envelope_append_xtext(&text, address);
    if (r >= 0 && !address_domain(address))
        r = buffer_appendf(&text, "@%s", names->here);
    if (r >= 0)
        r = buffer_append(&text, "", 1);
    return r < 0 ? r : envelope_merge_parameters(parameters, buffer_data(&text));
}

static void begin(Aliases *a)
{
    if (!a)
        return;
    a->root_followed = false;
    for (size_t i = 0; i < a->n; i++)
        a->list[i].followed = false;
}

int local_names_check(const LocalNames *names, Failure *f)
{
    size_t n = names->aliases ? names->aliases->n : 0;
    int r = 0;

    begin(names->aliases);
    for (size_t i = 0; r >= 0 && i <= n; i++) {
        const char *name = i == 0 ? "root" : names->aliases->list[i - 1].name;
        _cleanup_envelope_ Envelope e = {0};

        r = name ? add_name(names, NULL, &e, name, NULL, f) : 0;
        if (r == -EINVAL && f->number == ERROR_NO_RECIPIENT) /* it may have a rule one day */
            r = 0;
    }
    return r;
}

int local_names_add(
    const LocalNames *names, Envelope *e, const char *address, const char *parameters, Failure *f)
{
    _cleanup_free_
    char *own = own_local_part(names, address), *all = NULL;
    const char *local = address_domain(address) ? own : address;
    int r = 0;

    if (!local || (own && !has_rule(names, own)))
        return envelope_add_recipient(e, address, parameters, f);
    if (parameters && !(all = strdup(parameters)))
        return -ENOMEM;
    if (has_rule(names, local))
        r = add_original(names, address, &all);
    begin(names->aliases);
    return r < 0 ? r : add_name(names, NULL, e, local, all, f);
}
