/* From a mail address to its relay. Must never take what the name servers say without somebody's
 * word for it. */
#include <errno.h>
#include <string.h>

#include "base/errors.h"
#include "base/idn.h"
#include "message/address.h"
#include "net/srv.h"
#include "tool/setup.h"

static int take_record(SetupAnswers *a, const SrvRecord *record)
{
    a->provider = NULL;
    a->port = record->port;
    return setup_set(&a->host, record->target)
               ?: setup_set(&a->tls, record->implicit ? "implicit" : "starttls");
}

static int take_provider(SetupAnswers *a, const SetupProvider *provider)
{
    a->provider = provider;
    a->port = provider->port;
    return setup_set(&a->host, provider->host) ?: setup_set(&a->tls, provider->tls);
}

int setup_find(SetupAnswers *answers, const char *address, Failure *f)
{
    const SetupProvider *provider;
    const char *domain;
    _cleanup_free_
    char *ascii = NULL;
    SrvRecord record;
    int r = setup_set(&answers->address, address);

    if (r < 0)
        return r;
    domain = address_domain(answers->address); /* `address` may have been that, which is freed */
    provider = setup_provider_of_domain(domain);
    if (provider)
        return take_provider(answers, provider);
    r = domain_to_ascii(domain, &ascii);
    if (r == -ENOMEM)
        return r;
    r = r < 0 ? failure_set(f, r, ERROR_CONFIGURATION, "%s %s", domain, domain_trouble(r))
              : srv_find_submission(ascii, &record, f);
    if (r < 0)
        return r;
    r = take_record(answers, &record);
    return r < 0 ? r : 1;
}
