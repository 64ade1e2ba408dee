/* Reading a record. Must never write, and never take a line for more than it says: what cannot be
 * understood is skipped. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <string.h>

#include "base/errors.h"
#include "base/file.h"
#include "base/text.h"
#include "spool/internal.h"
#include "spool/record.h"

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Domains are compared without case: a copy of the address with its domain in small letters. */
static char *normalize(const char *address)
{
    char *copy = strdup(address);

    for (char *c = copy ? strrchr(copy, '@') : NULL; c && *c; c++)
        *c = fold(*c);
    return copy;
}

/* strcmp() of the address, as if normalized, and one that is. */
static int compare_address(const char *address, const char *normalized)
{
    const char *at = strrchr(address, '@');

    for (; *address; address++, normalized++) {
        char c = at && address >= at ? fold(*address) : *address;

        if (c != *normalized)
            return (unsigned char)c - (unsigned char)*normalized;
    }
    return *normalized ? -1 : 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_address(char ***list, size_t *n, const char *address)
{
    /* Room is doubled whenever the number reaches a power of two. */
    if ((*n & (*n - 1)) == 0) {
        char **more = reallocarray(*list, *n > 0 ? *n * 2 : 1, sizeof(*more));

        if (!more)
            return -ENOMEM;
        *list = more;
    }
    (*list)[*n] = normalize(address);
    if (!(*list)[*n])
        return -ENOMEM;
    (*n)++;
    return 0;
}

static void sort_addresses(char **list, size_t n)
{
    if (n > 0)
        qsort(list, n, sizeof(*list), compare);
}

static void free_addresses(char ***list, size_t *n)
{
    while (*n > 0)
        free((*list)[--*n]);
    free(*list);
    *list = NULL;
}

static bool has_address(char *const *list, size_t n, const char *address)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_address(address, list[middle]);

        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

static usec_t time_member(const json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));
    usec_t t;

    return text && clock_parse_rfc3339(text, &t) == 0 ? t : 0;
}

static int add_line(SpoolHistory *h, const json_t *line)
{
    const char *event = json_string_value(json_object_get(line, "event"));
    const char *recipient = json_string_value(json_object_get(line, "recipient"));
    json_int_t attempt = json_integer_value(json_object_get(line, "attempt"));

    if (text_equal(event, "failed")) {
        h->attempts = 0;
        h->next = 0;
        h->lease_start = time_member(line, "time");
        free_addresses(&h->refused, &h->n_refused);
    } else if (text_equal(event, "retry")) {
        if (attempt > 0 && attempt < UINT_MAX)
            h->attempts = (unsigned)attempt;
        h->next = time_member(line, "next");
    } else if (!text_equal(event, "sent") && !text_equal(event, "delivered") &&
               !text_equal(event, "deferred") && !text_equal(event, "refused")) {
        return 0;
    }
    h->sent = text_equal(event, "sent");
    h->ended = h->sent || text_equal(event, "failed");
    if (recipient && text_equal(event, "delivered"))
        return add_address(&h->delivered, &h->n_delivered, recipient);
    if (recipient && text_equal(event, "refused"))
        return add_address(&h->refused, &h->n_refused, recipient);
    return 0;
}

int spool_history_parse(const char *data, size_t n, SpoolHistory *ret)
{
    SpoolHistory h = {0};

    for (const char *end = data + n; data < end;) {
        const char *newline = memchr(data, '\n', (size_t)(end - data));
        size_t length = (size_t)((newline ?: end) - data);
        json_error_t error;
        json_t *line = json_loadb(data, length, 0, &error);
        int r = 0;

        if (line)
            r = add_line(&h, line);
        else if (json_error_code(&error) == json_error_out_of_memory)
            r = -ENOMEM;
        json_decref(line);
        if (r < 0) {
            spool_history_done(&h);
            return r;
        }
        data += length + (newline ? 1 : 0);
    }
    sort_addresses(h.delivered, h.n_delivered);
    sort_addresses(h.refused, h.n_refused);
    *ret = h;
    return 0;
}

int spool_history_load_id(const Spool *spool, const char *id, SpoolHistory *ret, Failure *f)
{
    _cleanup_close_ int fd = spool_record_open(spool, id, O_RDONLY, f);
    _cleanup_buffer_ Buffer data = {0};
    int r;

    *ret = (SpoolHistory){0};
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    r = file_read_all(fd, SPOOL_RECORD_MAX, &data);
    if (r == -EFBIG)
        return failure_set(f, r, ERROR_SPOOL,
            "%s/%s.status: the delivery record is over %zu bytes and so not of this program's "
            "making; look at it, and move it away to start the message anew",
            spool->path, id, SPOOL_RECORD_MAX);
    if (r < 0)
        return failure_set_errno(
            f, r, "%s/%s.status: cannot read the delivery record", spool->path, id);
    r = spool_history_parse(buffer_data(&data), buffer_size(&data), ret);
    return r < 0 ? failure_set_errno(f, r, "%s/%s.status", spool->path, id) : 0;
}

int spool_history_load(const SpoolClaim *claim, SpoolHistory *ret, Failure *f)
{
    *ret = (SpoolHistory){0};
    return claim->has_record ? spool_history_load_id(claim->spool, claim->id, ret, f) : 0;
}

void spool_history_done(SpoolHistory *history)
{
    free_addresses(&history->delivered, &history->n_delivered);
    free_addresses(&history->refused, &history->n_refused);
    *history = (SpoolHistory){0};
}

bool spool_history_has(const SpoolHistory *history, const char *address)
{
    return has_address(history->delivered, history->n_delivered, address);
}

bool spool_history_has_refused(const SpoolHistory *history, const char *address)
{
    return has_address(history->refused, history->n_refused, address);
}
