/* The rules of `routes` among each other, and with the relays. Must never let a rule pass that can
 * be for no message without a word. */
#include "settings/check_routes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/macros.h"
#include "settings/routes.h"

static const Setting *route_setting(const char *name)
{
    return setting_find(SECTION_ROUTES, name);
}

/* What no message ever comes to. */
static int tell_shadowed(Draft *draft)
{
    const Config *config = draft->config;
    int r = 0;

    for (size_t i = 0; r == 0 && i < config->n_routes; i++) {
        size_t by = route_rules_shadowed_by(config->rules, i);
        char text[160];

        if (by == SIZE_MAX)
            continue;
        snprintf(text, sizeof(text),
            "no message ever comes to this rule, as rule %zu is for all of them; put it before "
            "that "
            "one, or leave it out",
            by + 1);
        r = draft_notice_in(draft, route_setting("relays"), i, text);
    }
    return r;
}

int check_routes(Draft *draft)
{
    Config *config = draft->config;
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    const char **names = NULL;
    RouteMistake mistake;
    int r;

    if (config->n_routes == 0)
        return 0;
    names = calloc(config->n_relays + 1, sizeof(*names));
    if (!names)
        return -ENOMEM;
    for (size_t i = 0; i < config->n_relays; i++)
        names[i] = config->relays[i]->name ?: "";
    r = route_rules_new((const RouteConfig *const *)config->routes, config->n_routes, names,
        config->n_relays, &config->rules, &mistake, &f);
    if (r == -EINVAL)
        return draft_mistake_in(
            draft, route_setting(mistake.setting), mistake.rule, "%s", failure_text(&f));
    return r < 0 ? r : tell_shadowed(draft);
}
