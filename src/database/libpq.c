/* libpq by dlopen(3). Must never be reached where no database is configured. */
#include "database/libpq.h"

#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/errors.h"
#include "base/macros.h"

#ifdef WITH_POSTGRESQL

#define LIBRARY "libpq.so.5"

static struct {
    Libpq functions;
    char lacking[256]; /* what dlopen() said, or the function that is not there */
    bool loaded, old;
} library;

static void load(void)
{
    static const struct {
        const char *name;
        void *to;
    } symbols[] = {
#define SYMBOL(name) {"PQ" #name, &library.functions.name},
        LIBPQ_FUNCTIONS(SYMBOL)
#undef SYMBOL
    };
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

    if (!handle) {
        strncpy(library.lacking, dlerror(), sizeof(library.lacking) - 1);
        return;
    }
    for (size_t i = 0; i < ELEMENTSOF(symbols); i++) {
        void *symbol = dlsym(handle, symbols[i].name);

        if (!symbol) {
            library.old = true;
            strncpy(library.lacking, symbols[i].name, sizeof(library.lacking) - 1);
            return;
        }
        memcpy(symbols[i].to, &symbol, sizeof(symbol));
    }
    library.loaded = true;
}

const Libpq *libpq_load(Failure *f)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, load);
    if (library.loaded)
        return &library.functions;
    if (library.old)
        (void)failure_set(f, -ELIBACC, ERROR_CONFIGURATION,
            "%s is older than PostgreSQL 14, for it has no %s: install a newer libpq5", LIBRARY,
            library.lacking);
    else
        (void)failure_set(f, -ELIBACC, ERROR_CONFIGURATION,
            "spool.database needs the library of PostgreSQL, which is not installed (%s): run "
            "`apt install libpq5`",
            library.lacking);
    return NULL;
}

#else

const Libpq *libpq_load(Failure *f)
{
    (void)failure_set(f, -EOPNOTSUPP, ERROR_CONFIGURATION,
        "this outbox was built without PostgreSQL; build it with `./configure --with-postgresql`");
    return NULL;
}

#endif
