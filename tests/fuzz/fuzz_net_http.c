/* net/http: whatever a server says, it is read the same whole and byte by byte, and within its
 * limits. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/http.h"
#include "net/http_url.h"
#include "target.h"

#define BODY_MAX ((size_t)64 * 1024)

static int feed(HttpResponse *response, const char *data, size_t n, size_t piece)
{
    int r = 0;

    for (size_t at = 0; at < n && r == 0; at += piece)
        r = http_response_feed(response, data + at, MIN(piece, n - at));
    r = r == 0 ? http_response_end(response) : r;
    if (r < 0 && r != -EBADMSG && r != -EMSGSIZE && r != -ENODATA && r != -ECONNRESET)
        abort();
    if (buffer_size(&response->body) > BODY_MAX || buffer_size(&response->line) > HTTP_HEAD_MAX ||
        (r >= 0 && (response->status < 200 || response->status > 999)))
        abort();
    return r;
}

/* net/http_url: what is taken for one has nothing in it that would be more of a request. */
static void try_url(const char *data, size_t size)
{
    char *text = strndup(data, MIN(size, (size_t)4096));
    HttpUrl url;
    int r = text ? http_url_parse(text, &url) : -ENOMEM;

    if (r < 0 && r != -EINVAL)
        abort();
    if (r == 0 && (url.port == 0 || url.port > 65535 || !*url.host || url.path[0] != '/' ||
                      strpbrk(url.host, " /?#@\r\n") || strpbrk(url.path, " #\r\n")))
        abort();
    if (r == 0)
        http_url_done(&url);
    free(text);
}

const FuzzBudget fuzz_budget = {.steps = 200000, .steps_per_byte = 200};

void fuzz_input(const uint8_t *data, size_t size)
{
    HttpResponse whole, bytes;
    int a, b;

    if (http_response_init(&whole, BODY_MAX) < 0 || http_response_init(&bytes, BODY_MAX) < 0)
        abort();
    a = feed(&whole, (const char *)data, size, size > 0 ? size : 1);
    b = feed(&bytes, (const char *)data, size, 1);
    if ((a < 0) != (b < 0))
        abort();
    if (a >= 0 &&
        (whole.status != bytes.status || buffer_size(&whole.body) != buffer_size(&bytes.body) ||
            (buffer_size(&whole.body) > 0 &&
                memcmp(buffer_data(&whole.body), buffer_data(&bytes.body),
                    buffer_size(&whole.body)) != 0)))
        abort();
    try_url((const char *)data, size);
    http_response_done(&whole);
    http_response_done(&bytes);
}
