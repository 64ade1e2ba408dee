/* A file of aliases and a name that is looked for in it. What comes out must be an envelope of
 * whole addresses, never more than there may be, and a failure must say something. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "message/address.h"
#include "message/aliases.h"
#include "target.h"

static int include(void *user, const char *path, Buffer *out, Failure *f)
{
    (void)path;
    (void)f;
    return buffer_append(out, user, strlen(user));
}

const FuzzBudget fuzz_budget = {.steps = 100000, .steps_per_byte = 400};

void fuzz_input(const uint8_t *data, size_t size)
{
    _cleanup_(aliases_free_p) Aliases *aliases = NULL;
    static const char *const own[] = {"here.test", NULL};
    static const char *const asked[] = {"ann", "root", "postmaster", "ann@here.test", "x@y.test"};
    char included[] = "list@x.test, ann\n# comment\n:include:/again\n";
    LocalNames names = {
        .path = "aliases", .here = "here.test", .own = own, .include = include, .user = included};

    if (aliases_parse((const char *)data, size, &aliases) < 0)
        abort();
    (void)aliases_check(aliases, NULL);
    names.aliases = aliases;
    for (size_t i = 0; i < ELEMENTSOF(asked); i++) {
        _cleanup_envelope_ Envelope e = {0};
        _cleanup_failure_ Failure f = {0};
        int r = local_names_add(&names, &e, asked[i], NULL, &f);

        if (r < 0 && (r != -EINVAL || !*failure_text(&f)))
            abort();
        if (e.n_recipients > ALIASES_RECIPIENTS_MAX)
            abort();
        for (size_t n = 0; n < e.n_recipients; n++)
            if (address_check(e.recipients[n].address, strlen(e.recipients[n].address),
                    text_equal_nocase(e.recipients[n].address, "postmaster"), NULL) < 0)
                abort();
    }
}
