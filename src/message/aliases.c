/* Following aliases. Must never run a command, write to a file, or go in circles;
 * must never leave out a recipient without a word. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "base/text.h"
#include "message/address.h"
#include "message/aliases_internal.h"
#include "message/mend.h"

/* NULL: there is no rule for it. 0 or -ENOMEM. */
static int find(const Aliases *a, const char *name, Alias **ret)
{
    _cleanup_free_
    char *folded = NULL;
    int r = a ? text_fold_case(name, &folded) : 0;

    *ret = folded ? aliases_find_folded(a, folded) : NULL;
    return r;
}

int aliases_is_same(const char *a, const char *b)
{
    _cleanup_free_
    char *one = NULL, *other = NULL;
    int r = text_fold_case(a, &one);

    if (r >= 0)
        r = text_fold_case(b, &other);
    return r < 0 ? r : strcmp(one, other) == 0;
}

/* ---- following ---- */

/* A name on the way from a recipient to its addresses. */
typedef struct Way {
    const LocalNames *names;
    Envelope *envelope;
    const char *parameters; /* for whom a rule names */
    Failure *failure;
    Buffer *wrong; /* where all that is wrong is gathered, a line each; NULL: the first ends it */
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
            "which is one recipient more than the 1000 that a name may stand for; have the relay "
            "keep such a list");
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

        if (!aliases_is_comment(at, next))
            r = follow(way, at, (size_t)(next - at));
        at = newline ? newline + 1 : end;
    }
    way->n_included--;
    return r;
}

void aliases_unquote_include(char *element)
{
    size_t n = strlen(element);

    if (!text_starts_nocase(element, "\":include:") || element[n - 1] != '"')
        return;
    memmove(element, element + 1, n - 2);
    element[n - 2] = '\0';
}

const char *aliases_why_refused(const char *element)
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

static bool is_own(const LocalNames *names, const char *domain)
{
    for (const char *const *own = names->own; own && *own; own++)
        if (text_equal_nocase(*own, domain))
            return true;
    return false;
}

/* Those that answer a question say 1, 0, or -ENOMEM: mail that is short of memory waits, and goes
 * nowhere else. */

static int has_rule(const LocalNames *names, const char *name)
{
    Alias *alias;
    int r;

    if (names->root && text_equal_nocase(name, "root"))
        return 1;
    r = find(names->aliases, name, &alias);
    if (r < 0 || alias)
        return r < 0 ? r : 1;
    return text_equal_nocase(name, "postmaster") ? has_rule(names, "root") : 0;
}

/* The rule for every name that has none. */
static Alias *find_rest(const LocalNames *names)
{
    return names->aliases ? aliases_find_folded(names->aliases, "*") : NULL;
}

/* Whether a name is followed that stands alone, or at a domain of this machine. What the rest's
 * rule says is not said of mailboxes that the relay may know, at a domain with a dot. */
static int is_followed(const LocalNames *names, const char *name, const char *domain)
{
    int r = has_rule(names, name);

    return r != 0 ? r : !(domain && strchr(domain, '.')) && find_rest(names);
}

/* The name of this machine that the address is followed as; NULL: it is not. Caller frees. 0 or
 * -ENOMEM. */
static int find_name(const LocalNames *names, const char *address, char **ret)
{
    const char *domain = address_domain(address);
    _cleanup_free_
    char *local = NULL;
    int r;

    *ret = NULL;
    if (domain && !is_own(names, domain))
        return 0;
    local = domain ? strndup(address, (size_t)(domain - 1 - address)) : strdup(address);
    if (!local)
        return -ENOMEM;
    r = domain ? is_followed(names, local, domain) : 1;
    if (r > 0)
        *ret = TAKE_PTR(local);
    return MIN(r, 0);
}

static int follow_address(Way *way, const OneAddress *one)
{
    _cleanup_free_
    char *name = NULL;
    int r = find_name(way->names, one->address, &name);

    if (r < 0)
        return r;
    if (!name)
        return add_address(way, one->address);
    r = aliases_is_same(name, way->name);
    if (r > 0)
        way->left_out++;
    return r != 0 ? MIN(r, 0)
                  : add_name(way->names, way, way->envelope, name, way->parameters, way->failure);
}

/* What is wrong with a line of the file itself, aliases_check() tells. */
static bool is_told_by_line(const Way *way)
{
    return way->wrong && way->alias && way->n_included == 0;
}

static int follow_one(Way *way, const char *text, size_t n)
{
    _cleanup_free_
    char *element = strndup(text, n);
    OneAddress one = {0};
    const char *why;
    int r;

    if (!element)
        return -ENOMEM;
    way->n++;
    aliases_unquote_include(element);
    if (text_starts_nocase(element, ":include:"))
        return include(way, element);
    why = aliases_why_refused(element);
    if (why)
        return is_told_by_line(way) ? 0 : refuse(way, element, why);
    r = aliases_read_one(text, n, &one);
    if ((r == -EINVAL || r == -EBADMSG) && is_told_by_line(way))
        return 0;
    if (r == -EINVAL || r == -EBADMSG)
        r = refuse(way, element, "which is no address");
    if (r >= 0)
        r = follow_address(way, &one);
    free(one.address);
    return r;
}

/* Goes on behind a mistake, once it is noted. A name without a rule is none: it may have one one
 * day. 0 or a negative errno. */
static int note_mistake(Buffer *wrong, Failure *f, int result)
{
    int r = 0;

    if (result != -EINVAL || !wrong)
        return result;
    if (f->number != ERROR_NO_RECIPIENT)
        r = f->text ? buffer_appendf(wrong, "%s\n", f->text) : -ENOMEM;
    failure_done(f);
    return r;
}

static int follow_element(void *user, const char *text, size_t n)
{
    Way *way = user;

    return note_mistake(way->wrong, way->failure, follow_one(way, text, n));
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

    for (const Way *at = way->from; at; at = at->from, depth++) {
        r = aliases_is_same(at->name, way->name);
        if (r != 0)
            return r < 0 ? r : fail_loop(way);
    }
    if (depth >= DEPTH_MAX)
        return refuse(way, way->name, "which is behind too many other names; name an address");
    if (was_followed(way))
        return 0;
    r = follow(way, targets, strlen(targets));
    if (r < 0)
        return is_told_by_line(way) && r != -ENOMEM ? 0 : r;
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

static bool has_followed(const Way *way, const Alias *alias)
{
    for (; way; way = way->from)
        if (way->alias == alias)
            return true;
    return false;
}

static int add_name(const LocalNames *names, const Way *from, Envelope *e, const char *name,
    const char *parameters, Failure *f)
{
    bool is_root = names->root && text_equal_nocase(name, "root");
    int r;
    Way way = {.names = names,
        .envelope = e,
        .parameters = parameters,
        .failure = f,
        .wrong = names->wrong,
        .name = name,
        .from = from,
        .n_included = from ? from->n_included : 0};

    if (!from && names->aliases)
        names->aliases->n_included = 0;
    if (is_root)
        return follow_rule(&way, names->root);
    r = find(names->aliases, name, &way.alias);
    if (r >= 0 && way.alias)
        return follow_rule(&way, way.alias->targets);
    if (r >= 0 && text_equal_nocase(name, "postmaster"))
        r = has_rule(names, "root");
    if (r != 0)
        return r < 0 ? r : add_name(names, from, e, "root", parameters, f);
    way.alias = find_rest(names);
    if (way.alias && !has_followed(from, way.alias)) {
        way.name = way.alias->name;
        return follow_rule(&way, way.alias->targets);
    }
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

int local_names_add(
    const LocalNames *names, Envelope *e, const char *address, const char *parameters, Failure *f)
{
    _cleanup_envelope_ Envelope found = {0};
    _cleanup_free_
    char *name = NULL, *all = NULL;
    int r = find_name(names, address, &name);

    if (r >= 0 && !name)
        return envelope_add_recipient(e, address, parameters, f);
    if (r >= 0 && parameters && !(all = strdup(parameters)))
        r = -ENOMEM;
    if (r >= 0)
        r = is_followed(names, name, NULL);
    if (r > 0)
        r = add_original(names, address, &all);
    begin(names->aliases);
    if (r >= 0)
        r = add_name(names, NULL, &found, name, all, f);
    return r < 0 ? r : envelope_add_all(e, &found, f);
}

static int check_name(const LocalNames *names, const char *name, Failure *f)
{
    _cleanup_envelope_ Envelope e = {0};
    int r = add_name(names, NULL, &e, name, NULL, f);

    return note_mistake(names->wrong, f, r);
}

int local_names_gather(const LocalNames *names, Buffer *wrong)
{
    size_t n = names->aliases ? names->aliases->n : 0;
    _cleanup_failure_ Failure f = {0};
    LocalNames all = *names;
    int r = 0;

    all.wrong = wrong;
    begin(names->aliases);
    for (size_t i = 0; r >= 0 && i <= n; i++) {
        const char *name = i == 0 ? "root" : names->aliases->list[i - 1].name;

        r = name ? check_name(&all, name, &f) : 0;
    }
    return r;
}
