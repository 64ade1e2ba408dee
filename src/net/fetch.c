/* Fetching. Must never wait longer than it is told, nor keep more than it is told. */
#include "net/fetch.h"

#include <errno.h>

#include "base/errors.h"
#include "base/text.h"
#include "net/http_call.h"
#include "net/lateness.h"

bool fetch_is_possible(const char *url)
{
    return text_starts_nocase(url, "http://");
}

bool fetch_will_pass(int error)
{
    return error == -EBUSY || error == -ENODATA || error == -ECONNRESET;
}

bool fetch_was_unreachable(int error)
{
    return error < 0 && !fetch_will_pass(error) && error != -EPROTO && error != -EBADMSG &&
           error != -EMSGSIZE;
}

int fetch(const FetchWhat *what, Buffer *ret, Failure *f)
{
    usec_t now = clock_monotonic(), late = 0;
    const HttpCall call = {
        .url = what->url,
        .clear = true,
        .body = what->request,
        .body_type = what->request_type,
        .max = what->max,
        .limit = now < what->patience->deadline ? what->patience->deadline - now : 0,
        .late = &late,
        .stop = what->patience->stop,
        .server = what->request ? "the OCSP responder" : "the server of revocation lists",
        .remedy = what->request
                      ? "see whether this host gets there; tls_check_ocsp = \"off\" does without"
                      : "see whether this host gets there; tls_check_crl = \"off\" does without",
    };
    HttpResponse response;
    int r;

    if (call.limit == 0)
        return failure_set(f, -ETIMEDOUT, ERROR_TIMEOUT, "no time is left to ask");
    r = http_call(&call, &response, f);
    lateness_put_off(&what->patience->deadline, late);
    if (r < 0)
        return r;
    if (response.status != 200)
        r = failure_set(f, http_status_passes(response.status) ? -EBUSY : -EPROTO,
            ERROR_COMMUNICATION, "it answers with status %d", response.status);
    else {
        *ret = response.body;
        response.body = (Buffer){0};
    }
    http_response_done(&response);
    return r;
}
