/* The rules of local.rewrite_from. Must never make an address of what has none, nor leave half of
 * one. */
#include "settings/from_rules.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "base/idn.h"
#include "base/macros.h"
#include "base/text.h"
#include "settings/host.h"

#define BLANKS " \t"
#define SPECIALS "\"(),<>@\\"

typedef struct FromRule {
    const char *pattern; /* as it was written */
    char *ascii;         /* with its domain in ASCII; NULL: it is, or cannot be converted */
    char *address;       /* what is written instead, its domain in ASCII */
} FromRule;

struct FromRules {
    char *text; /* a copy, cut into what the rules point to */
    FromRule *rules;
    size_t n;
};

void from_rules_free(FromRules *rules)
{
    if (!rules)
        return;
    for (size_t i = 0; i < rules->n; i++) {
        free(rules->rules[i].ascii);
        free(rules->rules[i].address);
    }
    free(rules->rules);
    free(rules->text);
    free(rules);
}

/* ---- parsing ---- */

/* The word there, cut out. "" where there is none; NULL where there are several. */
static char *only_word(char *text)
{
    size_t n;

    text += strspn(text, BLANKS);
    n = strcspn(text, BLANKS);
    if (text[n + strspn(text + n, BLANKS)])
        return NULL;
    text[n] = '\0';
    return text;
}

/* Something, "@", something, without what would need quotes. */
static bool has_two_parts(const char *word)
{
    const char *at = strchr(word, '@');

    return at && at > word && at[1] && strcspn(word, SPECIALS) == (size_t)(at - word) &&
           !strpbrk(at + 1, SPECIALS);
}

static int check_pattern(const char *word, Failure *f)
{
    if (has_two_parts(word))
        return 0;
    return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
        "has \"%.100s\" before a colon, which is no address: write NAME@DOMAIN, with * for any "
        "characters, such as \"root@*\" or \"*@*.internal\"",
        word);
}

/* A local part that is "*" alone stands for the one of the address that is replaced. */
static int check_address(const char *word, Failure *f)
{
    const char *at = strchr(word, '@'), *star = strchr(word, '*');

    if (star && strchr(star + 1, '*'))
        return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "has \"%.100s\" behind a colon, with more than one *: it stands once, for all before "
            "the @, as in \"*@example.org\"",
            word);
    if (!at || !at[1])
        return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "has \"%.100s\" behind a colon, which has no domain: write an address such as "
            "\"me@example.org\" or \"*@example.org\"",
            word);
    if (star && (star != word || at != word + 1))
        return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "has \"%.100s\" behind a colon, where * can only be all that is before the @, as in "
            "\"*@example.org\"",
            word);
    if (has_two_parts(word) && word[0] != '.' && at[-1] != '.' && !strstr(word, "..") &&
        !strchr(word, '[') && !text_ends(word, ".") && !host_check(at + 1) &&
        host_family(at + 1) == 0)
        return 0;
    return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
        "has \"%.100s\" behind a colon, which is no address: write one without a name, quotes or "
        "brackets, such as \"me@example.org\"",
        word);
}

static int fill_rule(FromRule *rule, const char *pattern, const char *address, Failure *f)
{
    int r = check_pattern(pattern, f);

    if (r == 0)
        r = check_address(address, f);
    if (r < 0)
        return r;
    rule->pattern = pattern;
    r = address_to_ascii_domain(pattern, &rule->ascii);
    if (r == 0)
        r = address_to_ascii_domain(address, &rule->address);
    if (r == 0 && !rule->address)
        rule->address = strdup(address);
    return r == 0 && !rule->address ? -ENOMEM : r;
}

static int add_rule(FromRules *rules, char *text, Failure *f)
{
    char *colon = strchr(text, ':'), *pattern, *address;

    if (text[strspn(text, BLANKS)] == '\0')
        return 0;
    if (!colon)
        return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "has no colon between a pattern and an address in \"%.100s\"", text);
    *colon = '\0';
    pattern = only_word(text);
    address = only_word(colon + 1);
    if (!pattern || !address)
        return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
            "has several words %s a colon (\"%.100s\"): a rule is one pattern, a colon and one "
            "address, with ; between rules",
            pattern ? "behind" : "before", pattern ? colon + 1 : text);
    return fill_rule(&rules->rules[rules->n++], pattern, address, f);
}

int from_rules_parse(const char *text, FromRules **ret, Failure *f)
{
    _cleanup_(from_rules_free_p) FromRules *rules = calloc(1, sizeof(*rules));
    char *rest, *rule;
    int r = 0;

    if (!rules)
        return -ENOMEM;
    rules->text = strdup(text);
    rules->rules = calloc(strlen(text) / 2 + 1, sizeof(*rules->rules));
    if (!rules->text || !rules->rules)
        return -ENOMEM;
    rest = rules->text;
    while (r == 0 && (rule = strsep(&rest, ";")))
        r = add_rule(rules, rule, f);
    if (r == 0 && rules->n == 0)
        r = failure_set(f, -EINVAL, ERROR_CONFIGURATION, "holds no rule");
    if (r == 0)
        *ret = TAKE_PTR(rules);
    return r;
}

/* ---- following them ---- */

int from_rules_apply(const FromRules *rules, const char *address, char **ret)
{
    const char *at = strrchr(address, '@');
    _cleanup_free_
    char *ascii = NULL;

    *ret = NULL;
    if (!rules || !at)
        return 0;
    if (address_to_ascii_domain(address, &ascii) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < rules->n; i++) {
        const FromRule *rule = &rules->rules[i];

        if (!text_fits(rule->pattern, address) &&
            !text_fits(rule->ascii ?: rule->pattern, ascii ?: address))
            continue;
        if (rule->address[0] != '*')
            *ret = strdup(rule->address);
        else if (asprintf(ret, "%.*s%s", (int)(at - address), address, rule->address + 1) < 0)
            *ret = NULL;
        return *ret ? 0 : -ENOMEM;
    }
    return 0;
}
