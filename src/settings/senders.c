/* The rules of spool.senders. Must never allow what no rule names. */
#include "settings/senders.h"

#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/errors.h"
#include "base/file.h"
#include "base/idn.h"
#include "base/text.h"
#include "settings/host.h"

#define SEPARATORS SENDER_RULE_SEPARATORS
#define SHOWN_BYTES 300          /* of the senders that a user may name, in a failure */
#define PASSWD_MAX (1024 * 1024) /* bytes of an entry of the user database */

typedef struct SenderUser {
    uid_t number;
    bool others;      /* "*" */
    const char *name; /* as it was written */
} SenderUser;

typedef struct SenderName {
    const char *text; /* as it was written */
    char *mailbox;    /* with its domain in ASCII (base/idn.h); NULL: `text` is it */
} SenderName;

/* Neighbours in the lists of users and senders. */
typedef struct SenderRule {
    size_t user, n_users;
    size_t sender, n_senders;
} SenderRule;

struct SenderRules {
    unsigned references;
    char *text, *words; /* `words`: a copy, cut into what the lists point to */
    SenderRule *rules;
    SenderUser *users;
    SenderName *senders;
    size_t n_rules, n_users, n_senders;
};

SenderRules *sender_rules_ref(SenderRules *rules)
{
    if (rules)
        __atomic_add_fetch(&rules->references, 1, __ATOMIC_RELAXED);
    return rules;
}

SenderRules *sender_rules_unref(SenderRules *rules)
{
    if (!rules || __atomic_sub_fetch(&rules->references, 1, __ATOMIC_ACQ_REL) > 0)
        return NULL;
    for (size_t i = 0; i < rules->n_senders; i++)
        free(rules->senders[i].mailbox);
    free(rules->text);
    free(rules->words);
    free(rules->rules);
    free(rules->users);
    free(rules->senders);
    free(rules);
    return NULL;
}

const char *sender_rules_text(const SenderRules *rules)
{
    return rules->text;
}

/* ---- parsing ---- */

int sender_user_lookup(const char *name, uid_t *ret)
{
    _cleanup_buffer_ Buffer space = {0};
    struct passwd entry, *found = NULL;
    int r = ERANGE;

    for (size_t n = 1024; r == ERANGE && n <= PASSWD_MAX; n *= 4) {
        char *data = buffer_reserve(&space, n);

        if (!data)
            return -ENOMEM;
        r = getpwnam_r(name, &entry, data, n, &found);
    }
    if (found)
        *ret = entry.pw_uid;
    /* getpwnam(3): some sources say so of a name that they do not have. */
    if (r == ENOENT || r == ESRCH)
        r = 0;
    return r == 0 && !found ? -ENOENT : -r;
}

static bool is_number(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text);
}

static int wrong_user(Failure *f, const char *name, int error)
{
    if (error == -ENOENT)
        return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "names the user \"%s\", whom this system does not know", name);
    return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
        "names the user \"%s\", who cannot be looked up (%s)", name, strerrordesc_np(-error));
}

int sender_user_parse(const char *word, SenderUserLookup lookup, uid_t *ret, Failure *f)
{
    unsigned long long number;
    int r;

    if (!is_number(word)) {
        r = lookup(word, ret);
        return r == 0 || r == -ENOMEM ? r : wrong_user(f, word, r);
    }
    number = strtoull(word, NULL, 10);
    if (number >= FILE_OWNER_UNKNOWN)
        return failure_set(
            f, -EINVAL, ERROR_CONFIGURATION, "has a number that no user can have: %s", word);
    *ret = (uid_t)number;
    return 0;
}

static int parse_user(const char *word, SenderUserLookup lookup, SenderUser *ret, Failure *f)
{
    *ret =
        (SenderUser){.name = word, .number = FILE_OWNER_UNKNOWN, .others = text_equal(word, "*")};
    if (ret->others)
        return 0;
    if (word[0] == '@')
        return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "has \"%s\" where a user is to stand; groups have no rules, name their members", word);
    return sender_user_parse(word, lookup, &ret->number, f);
}

/* "@domain", or an address that needs no quotes: of no other can be told where it ends. A "*" would
 * be meant for more than itself. */
static bool is_address(const char *word)
{
    const char *at = strrchr(word, '@');

    return at && at[1] && !host_check(at + 1) && !strchr(word, '*') &&
           strcspn(word, "\"(),:;<>@[\\]") == (size_t)(at - word);
}

static int check_sender(const char *word, Failure *f)
{
    if (text_equal(word, "*") || text_equal(word, "<>") || is_address(word))
        return 0;
    return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
        "has \"%s\" where a sender is to stand, which is an address without quotes or brackets, "
        "@DOMAIN for all of a domain, <> or *",
        word);
}

static int add_users(
    SenderRules *rules, SenderRule *rule, char *list, SenderUserLookup lookup, Failure *f)
{
    char *rest = NULL;

    rule->user = rules->n_users;
    for (char *word = strtok_r(list, SEPARATORS, &rest); word;
         word = strtok_r(NULL, SEPARATORS, &rest)) {
        int r = parse_user(word, lookup, &rules->users[rules->n_users], f);

        if (r < 0)
            return r;
        rules->n_users++;
    }
    rule->n_users = rules->n_users - rule->user;
    return rule->n_users > 0 ? 0
                             : failure_set(f, -EINVAL, ERROR_CONFIGURATION,
                                   "has a rule with nobody before the colon");
}

static int add_senders(SenderRules *rules, SenderRule *rule, char *list, Failure *f)
{
    char *rest = NULL;

    rule->sender = rules->n_senders;
    for (char *word = strtok_r(list, SEPARATORS, &rest); word;
         word = strtok_r(NULL, SEPARATORS, &rest)) {
        SenderName *sender = &rules->senders[rules->n_senders];
        int r = check_sender(word, f);

        if (r == 0)
            r = address_to_ascii_domain(word, &sender->mailbox);
        if (r < 0)
            return r;
        sender->text = word;
        rules->n_senders++;
    }
    rule->n_senders = rules->n_senders - rule->sender;
    return rule->n_senders > 0 ? 0
                               : failure_set(f, -EINVAL, ERROR_CONFIGURATION,
                                     "has a rule without a sender behind the colon");
}

static int add_rule(SenderRules *rules, char *text, SenderUserLookup lookup, Failure *f)
{
    SenderRule *rule = &rules->rules[rules->n_rules];
    char *colon = strchr(text, ':');
    int r;

    if (text[strspn(text, SEPARATORS)] == '\0')
        return 0;
    if (!colon)
        return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "has no colon between users and senders in \"%.100s\"", text);
    *colon = '\0';
    r = add_users(rules, rule, text, lookup, f);
    if (r == 0)
        r = add_senders(rules, rule, colon + 1, f);
    if (r == 0)
        rules->n_rules++;
    return r;
}

/* Room for as many of each as the text can hold. */
static int prepare(SenderRules *rules, const char *text)
{
    size_t n = strlen(text) / 2 + 1;

    rules->text = strdup(text);
    rules->words = strdup(text);
    rules->rules = calloc(n, sizeof(*rules->rules));
    rules->users = calloc(n, sizeof(*rules->users));
    rules->senders = calloc(n, sizeof(*rules->senders));
    return rules->text && rules->words && rules->rules && rules->users && rules->senders ? 0
                                                                                         : -ENOMEM;
}

int sender_rules_parse(const char *text, SenderUserLookup lookup, SenderRules **ret, Failure *f)
{
    _cleanup_(sender_rules_unref_p) SenderRules *rules = calloc(1, sizeof(*rules));
    char *rest, *rule;
    int r;

    if (!rules)
        return -ENOMEM;
    rules->references = 1;
    r = prepare(rules, text);
    rest = rules->words;
    while (r == 0 && (rule = strsep(&rest, ";")))
        r = add_rule(rules, rule, lookup, f);
    if (r == 0 && rules->n_rules == 0)
        r = failure_set(f, -EINVAL, ERROR_CONFIGURATION, "holds no rule");
    if (r == 0)
        *ret = TAKE_PTR(rules);
    return r;
}

/* ---- judging ---- */

/* The sender's domain is in ASCII. */
static bool allows(const SenderName *name, const char *sender)
{
    const char *allowed = name->mailbox ?: name->text, *at = strrchr(sender, '@');

    if (text_equal(allowed, "*"))
        return true;
    if (text_equal(allowed, "<>"))
        return sender[0] == '\0';
    if (allowed[0] == '@')
        return at && text_equal_nocase(allowed, at);
    return text_equal_mailbox(allowed, sender);
}

static const SenderUser *find_user(const SenderRules *rules, uid_t number)
{
    for (size_t i = 0; i < rules->n_users; i++)
        if (!rules->users[i].others && rules->users[i].number == number)
            return &rules->users[i];
    return NULL;
}

/* Whether the rule is for that user; NULL: one whom no rule names. */
static bool is_for(const SenderRules *rules, const SenderRule *rule, const SenderUser *user)
{
    const SenderUser *users = &rules->users[rule->user];

    for (size_t i = 0; i < rule->n_users; i++)
        if (user ? !users[i].others && users[i].number == user->number : users[i].others)
            return true;
    return false;
}

static bool rule_allows(const SenderRules *rules, const SenderRule *rule, const char *sender)
{
    for (size_t i = 0; i < rule->n_senders; i++)
        if (allows(&rules->senders[rule->sender + i], sender))
            return true;
    return false;
}

/* What the user may name, as far as there is room for it. */
static int list_senders(const SenderRules *rules, const SenderUser *user, Buffer *out)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < rules->n_rules; i++) {
        const SenderRule *rule = &rules->rules[i];

        for (size_t k = 0; r == 0 && k < rule->n_senders && is_for(rules, rule, user); k++) {
            if (buffer_size(out) > SHOWN_BYTES)
                return buffer_append_string(out, " ...");
            r = buffer_appendf(out, " %s", rules->senders[rule->sender + k].text);
        }
    }
    return r;
}

static int refuse(
    const SenderRules *rules, const SenderUser *user, uid_t number, const char *sender, Failure *f)
{
    _cleanup_buffer_ Buffer list = {0};
    bool by_name = user && !is_number(user->name);

    if (list_senders(rules, user, &list) < 0)
        return failure_set(f, -ENOMEM, ERROR_MEMORY, "no memory is left");
    return failure_set(f, -EBADMSG, ERROR_SENDER,
        "user %u%s%s%s may not name the sender <%s>: spool.senders %s%.*s", number,
        by_name ? " (" : "", by_name ? user->name : "", by_name ? ")" : "", sender,
        buffer_size(&list) > 0 ? "allows" : "has no rule for this user, nor one for *",
        (int)buffer_size(&list), buffer_size(&list) > 0 ? buffer_data(&list) : "");
}

int sender_rules_check(
    const SenderRules *rules, uid_t user, uid_t queue_owner, const char *sender, Failure *f)
{
    _cleanup_free_
    char *mailbox = NULL;
    const SenderUser *named;

    if (!rules || user == 0 || user == queue_owner)
        return 0;
    if (address_to_ascii_domain(sender, &mailbox) < 0)
        return failure_set(f, -ENOMEM, ERROR_MEMORY, "no memory is left");
    named = find_user(rules, user);
    for (size_t i = 0; i < rules->n_rules; i++)
        if (is_for(rules, &rules->rules[i], named) &&
            rule_allows(rules, &rules->rules[i], mailbox ?: sender))
            return 0;
    return refuse(rules, named, user, sender, f);
}
