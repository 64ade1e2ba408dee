/* Relays that are known by name. */
#pragma once

#include <stdbool.h>

typedef enum SetupLogin {
    SETUP_LOGIN_PASSWORD,
    SETUP_LOGIN_OAUTH, /* Microsoft's: a user allows it by `outbox authorize` */
    SETUP_LOGIN_NONE,
} SetupLogin;

typedef struct SetupProvider {
    const char *name; /* as --provider has it */
    const char *title;
    const char *domains; /* of whose addresses it takes care, with blanks between; NULL: of none */
    const char *host;    /* with "*" for the region */
    const char *region;  /* an example of one; NULL: there are none */
    unsigned port;
    const char *tls; /* NULL: as the port has it */
    SetupLogin login;
    const char *user;     /* always this one; NULL: it is asked */
    const char *password; /* what that is; NULL: that of the account */
    const char *note;     /* what a user should know of it; NULL: nothing */
} SetupProvider;

/* NULL: there is none. */
const SetupProvider *setup_provider_find(const char *name);
const SetupProvider *setup_provider_of_domain(const char *domain);
const SetupProvider *setup_provider_at(unsigned i);

/* Whether it can stand in a host's name. */
bool setup_region_is_good(const char *region);

/* Caller frees; NULL when memory is short. */
char *setup_provider_host(const SetupProvider *provider, const char *region);
