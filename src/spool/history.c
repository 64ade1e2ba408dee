/* What is known of a message's earlier attempts. Must never let a recipient that was delivered to
 * be forgotten: what cannot be read is a failure. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/errors.h"
#include "base/idn.h"
#include "base/text.h"
#include "spool/internal.h"
#include "spool/losses.h"
#include "spool/scan.h"

/* ---- addresses ---- */

/* Domains are compared in ASCII and without case: a copy of the address with its domain in small
 * letters. */
static char *normalize(const char *address)
{
    char *copy;
    int r = address_to_ascii_domain(address, &copy);

    if (r == 0 && !copy)
        copy = strdup(address);
    for (char *c = copy ? strrchr(copy, '@') : NULL; c && *c; c++)
        *c = text_fold(*c);
    return copy;
}

/* strcmp() of the mailbox, as if normalized, and one that is. */
static int compare_mailbox(const char *mailbox, const char *normalized)
{
    const char *at = strrchr(mailbox, '@');

    for (; *mailbox; mailbox++, normalized++) {
        char c = at && mailbox >= at ? text_fold(*mailbox) : *mailbox;

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

static bool has_mailbox(char *const *list, size_t n, const char *mailbox)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_mailbox(mailbox, list[middle]);

        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

int spool_history_add_delivered(SpoolHistory *h, const char *recipient)
{
    return recipient ? add_address(&h->delivered, &h->n_delivered, recipient) : 0;
}

int spool_history_add_refused(SpoolHistory *h, const char *recipient)
{
    return recipient ? add_address(&h->refused, &h->n_refused, recipient) : 0;
}

void spool_history_forget_refused(SpoolHistory *h)
{
    free_addresses(&h->refused, &h->n_refused);
}

void spool_history_sort(SpoolHistory *h)
{
    sort_addresses(h->delivered, h->n_delivered);
    sort_addresses(h->refused, h->n_refused);
}

/* ---- reading ---- */

int spool_history_parse(const char *data, size_t n, SpoolHistory *ret)
{
    _cleanup_(record_scan_done) RecordScan scan = {0};

    for (size_t at = 0; at < n;) {
        const char *newline = memchr(data + at, '\n', n - at);
        size_t end = newline ? (size_t)(newline - data) : n;
        RecordLine line = {data + at, end - at, at, MIN(end + 1, n) - at};
        int r = record_scan_add(&scan, &line);

        if (r < 0)
            return r;
        at = end + 1;
    }
    record_scan_end(&scan);
    *ret = scan.history;
    scan.history = (SpoolHistory){0};
    return 0;
}

static int cannot_read(const Spool *spool, const char *id, int error, Failure *f)
{
    return failure_set_errno(
        f, error, "%s/%s.status: cannot read the delivery record", spool->path, id);
}

static int not_a_record(const Spool *spool, const char *id, Failure *f)
{
    return failure_set(f, -EPERM, ERROR_SPOOL,
        "%s/%s.status: not a delivery record of this queue: it must be a regular file with one "
        "link that belongs to user %u; move it away",
        spool->path, id, spool->owner);
}

/* Opens the record of the message `id.state`. A descriptor, -ENOENT when it has none, or another
 * negative errno with a Failure. */
static int open_of(const Spool *spool, const char *id, SpoolState state, Failure *f)
{
    _cleanup_(spool_record_view_done) RecordView view = {.fd = -1};
    char name[SPOOL_NAME_MAX];
    FileIdentity file;
    int r = spool_record_view(spool, id, &view);

    if (r == RECORD_FOREIGN)
        return not_a_record(spool, id, f);
    if (r == RECORD_OWN)
        r = spool_name_format(id, state, name) ? file_identity_of(spool, spool->fd, name, &file)
                                               : -ENOENT;
    if (view.fd >= 0 && r >= 0)
        r = spool_record_judge(spool, id, state, &file, &view);
    if (r == RECORD_DOUBTFUL)
        return not_a_record(spool, id, f);
    if (r == RECORD_OWN)
        return TAKE_FD(view.fd);
    return r >= 0 || r == -ENOENT ? -ENOENT : cannot_read(spool, id, r, f);
}

int spool_history_load_id(
    const Spool *spool, const char *id, SpoolState state, SpoolHistory *ret, Failure *f)
{
    _cleanup_close_ int fd = open_of(spool, id, state, f);
    _cleanup_(record_scan_done) RecordScan scan = {0};
    int r;

    *ret = (SpoolHistory){0};
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    r = record_scan_file(&scan, fd);
    if (r < 0)
        return cannot_read(spool, id, r, f);
    *ret = scan.history;
    scan.history = (SpoolHistory){0};
    return 0;
}

/* Opens the record that the claim was found to have; further names of it do no harm. A descriptor,
 * -ENOENT, or another negative errno with a Failure. */
static int open_own(const SpoolClaim *claim, Failure *f)
{
    _cleanup_(spool_record_view_done) RecordView view = {.fd = -1};
    int r = spool_record_view(claim->spool, claim->id, &view);

    if (r < 0)
        return cannot_read(claim->spool, claim->id, r, f);
    if (r == RECORD_NONE)
        return -ENOENT;
    if (r != RECORD_OWN || view.st.st_dev != claim->record_device ||
        view.st.st_ino != claim->record_inode)
        return failure_set(f, -EPERM, ERROR_SPOOL,
            "%s/%s.status: another file has come in the place of the delivery record; leave "
            "records alone while their messages are .sending",
            claim->spool->path, claim->id);
    return TAKE_FD(view.fd);
}

int spool_history_load(SpoolClaim *claim, Failure *f)
{
    _cleanup_(record_scan_done) RecordScan scan = {0};
    _cleanup_close_ int fd = -1;
    int r;

    if (claim->loaded)
        return 0;
    fd = open_own(claim, f);
    if (fd < 0 && fd != -ENOENT)
        return fd;
    r = fd >= 0 ? record_scan_file(&scan, fd) : 0;
    if (r < 0)
        return cannot_read(claim->spool, claim->id, r, f);
    /* A former version's is made to say whose it is. Where that fails it is as good as it was. */
    if (fd >= 0 && (spool_record_is_wasteful(&scan) || (!claim->bound && scan.bytes > 0)))
        (void)spool_record_rewrite(claim, fd, &scan);
    claim->history = scan.history;
    scan.history = (SpoolHistory){0};
    claim->loaded = true;
    return 0;
}

const SpoolHistory *spool_claim_history(const SpoolClaim *claim)
{
    return claim->loaded ? &claim->history : NULL;
}

int spool_record_read(const Spool *spool, const char *id, SpoolState state,
    SpoolLineHandler handler, void *user, Failure *f)
{
    _cleanup_close_ int fd = open_of(spool, id, state, f);
    _cleanup_(line_reader_done) LineReader reader = {.fd = fd};
    RecordLine line;
    int r;

    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    while ((r = line_reader_next(&reader, &line)) > 0) {
        r = line.n > 0 ? handler(user, line.data, line.n) : 0;
        if (r != 0)
            return r;
    }
    return r < 0 ? cannot_read(spool, id, r, f) : 0;
}

typedef struct VerdictReader {
    SpoolVerdictHandler handler;
    void *user;
} VerdictReader;

static const char *text_of(const json_t *line, const char *name)
{
    return json_string_value(json_object_get(line, name)) ?: "";
}

static int tell_verdict(const VerdictReader *reader, RecordEvent event, const json_t *line)
{
    const SpoolVerdict verdict = {
        .recipient = text_of(line, "recipient"),
        .delivered = event == RECORD_DELIVERED,
        .refused = event == RECORD_REFUSED,
        .code = (int)json_integer_value(json_object_get(line, "code")),
        .enhanced = text_of(line, "enhanced"),
        .text = text_of(line, "text"),
        .relay = json_string_value(json_object_get(line, "relay")),
        .time = record_line_time(line, "time"),
    };

    return reader->handler(reader->user, &verdict);
}

static int read_verdict(void *user, const char *data, size_t n)
{
    const VerdictReader *reader = user;
    RecordEvent event;
    json_t *line;
    int r = record_line_parse(data, n, &event, &line);

    if (r >= 0 && event == RECORD_DEFERRED && !line)
        r = spool_record_line_load(data, n, &line);
    if (r >= 0 && event == RECORD_FAILED)
        r = reader->handler(reader->user, NULL);
    else if (r >= 0 && line &&
             (event == RECORD_DELIVERED || event == RECORD_REFUSED || event == RECORD_DEFERRED))
        r = tell_verdict(reader, event, line);
    json_decref(line);
    return r;
}

int spool_record_verdicts(
    const SpoolClaim *claim, SpoolVerdictHandler handler, void *user, Failure *f)
{
    VerdictReader reader = {handler, user};

    return spool_record_read(claim->spool, claim->id, SPOOL_SENDING, read_verdict, &reader, f);
}

int spool_record_verdicts_parse(const char *data, size_t n, SpoolVerdictHandler handler, void *user)
{
    VerdictReader reader = {handler, user};
    int r = 0;

    for (const char *end = data + n; data < end && r == 0;) {
        const char *newline = memchr(data, '\n', (size_t)(end - data)) ?: end;

        r = read_verdict(&reader, data, (size_t)(newline - data));
        data = newline + 1;
    }
    return r;
}

/* ---- asking ---- */

void spool_history_done(SpoolHistory *history)
{
    free_addresses(&history->delivered, &history->n_delivered);
    free_addresses(&history->refused, &history->n_refused);
    spool_losses_done(&history->losses);
    *history = (SpoolHistory){0};
}

bool spool_history_has(const SpoolHistory *history, const char *mailbox)
{
    return has_mailbox(history->delivered, history->n_delivered, mailbox);
}

bool spool_history_has_refused(const SpoolHistory *history, const char *mailbox)
{
    return has_mailbox(history->refused, history->n_refused, mailbox);
}
