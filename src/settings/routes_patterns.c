/* Patterns of addresses. Must never fit an address that is spelt alike and is another one. */
#include "settings/routes_patterns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/errors.h"
#include "base/idn.h"
#include "base/text.h"

static void fold(char *text)
{
    for (; *text; text++)
        *text = text_fold(*text);
}

int route_address_parse(const char *address, RouteAddress *ret)
{
    _cleanup_free_
    char *ascii = NULL;
    char *at;

    *ret = (RouteAddress){0};
    if (address_to_ascii_domain(address, &ascii) < 0)
        return -ENOMEM;
    ret->text = strdup(ascii ?: address);
    if (!ret->text)
        return -ENOMEM;
    at = strrchr(ret->text, '@');
    ret->local = ret->text;
    ret->domain = "";
    if (!at)
        return 0;
    *at = '\0';
    fold(at + 1);
    ret->domain = at + 1;
    return 0;
}

void route_address_done(RouteAddress *address)
{
    free(address->text);
    *address = (RouteAddress){0};
}

void route_pattern_done(RoutePattern *pattern)
{
    free(pattern->local);
    free(pattern->domain);
    *pattern = (RoutePattern){0};
}

static int refuse(const char *word, Failure *f)
{
    return failure_set(f, -EINVAL, ERROR_CONFIGURATION,
        "has \"%.100s\", which is no pattern of addresses: write NAME@DOMAIN or DOMAIN, with * for "
        "any characters, such as \"*@example.org\" or \"*.example.org\"",
        word);
}

/* "@domain" is any name there. */
static int set_parts(const char *word, RoutePattern *ret)
{
    const char *at = strrchr(word, '@'), *domain = at ? at + 1 : word;

    ret->kind = !strchr(domain, '*')                                        ? PATTERN_EXACT
                : strncmp(domain, "*.", 2) == 0 && !strchr(domain + 1, '*') ? PATTERN_BELOW
                                                                            : PATTERN_GLOB;
    if (at && at > word && strncmp(word, "*@", 2) != 0)
        ret->local = strndup(word, (size_t)(at - word));
    ret->domain = strdup(domain + (ret->kind == PATTERN_BELOW ? 2 : 0));
    if (!ret->domain || (at && at > word && strncmp(word, "*@", 2) != 0 && !ret->local))
        return -ENOMEM;
    fold(ret->domain);
    return 0;
}

int route_pattern_parse(const char *word, bool takes_null, RoutePattern *ret, Failure *f)
{
    _cleanup_free_
    char *at_domain = NULL, *ascii = NULL;
    const char *at = strrchr(word, '@'), *domain = at ? at + 1 : word;
    int r;

    *ret = (RoutePattern){0};
    if (strcmp(word, "*") == 0) {
        ret->kind = PATTERN_ANY;
        return 0;
    }
    if (takes_null && strcmp(word, "<>") == 0) {
        ret->kind = PATTERN_NULL;
        return 0;
    }
    if (!*domain || domain[0] == '.' || strpbrk(word, "\"(),:;<>\\") || strstr(domain, "..") ||
        text_ends(domain, "."))
        return refuse(word, f);
    if (!at && asprintf(&at_domain, "@%s", word) < 0) {
        at_domain = NULL;
        return -ENOMEM;
    }
    r = address_to_ascii_domain(at_domain ?: word, &ascii);
    if (r == 0)
        r = set_parts(ascii ?: at_domain ?: word, ret);
    if (r < 0)
        route_pattern_done(ret);
    return r;
}

static bool is_below(const char *domain, const char *parent)
{
    size_t n = strlen(domain), n_parent = strlen(parent);

    return n > n_parent + 1 && domain[n - n_parent - 1] == '.' &&
           strcmp(domain + n - n_parent, parent) == 0;
}

bool route_pattern_fits(const RoutePattern *pattern, const RouteAddress *address, bool domain_fits)
{
    bool fits = domain_fits;

    switch (pattern->kind) {
    case PATTERN_ANY: return true;
    case PATTERN_NULL: return address->text[0] == '\0';
    case PATTERN_EXACT: fits = fits || strcmp(pattern->domain, address->domain) == 0; break;
    case PATTERN_BELOW: fits = fits || is_below(address->domain, pattern->domain); break;
    case PATTERN_GLOB:
        fits = *address->domain && text_fits(pattern->domain, address->domain);
        break;
    }
    return fits && (!pattern->local || text_fits(pattern->local, address->local));
}
