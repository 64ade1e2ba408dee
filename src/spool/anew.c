/* Starting a record anew when the claim's own was removed, replaced or locked up while the message
 * was being sent. Must never leave the message without what is known of it: the new record is on
 * disk before anything else changes. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/file.h"
#include "spool/internal.h"

#define ID_TRIES 8

static int carry_addresses(
    Buffer *lines, const SpoolHistory *h, char *const *list, size_t n, DeliveryKind kind)
{
    const DeliveryOutcome outcome = {.kind = kind,
        .stage = STAGE_NONE,
        .enhanced = "",
        .text = "known from the former record, which could not be used any more"};
    const SpoolVia via = {0};
    int r = 0;

    for (size_t i = 0; i < n && r >= 0; i++)
        r = spool_record_outcome(lines, h->latest, list[i], h->attempts, &outcome, &via);
    return r;
}

/* The lines that read back as the same history. */
static int carry(Buffer *lines, const SpoolHistory *h)
{
    int r = carry_addresses(lines, h, h->delivered, h->n_delivered, DELIVERY_DELIVERED);

    if (r >= 0)
        r = carry_addresses(lines, h, h->refused, h->n_refused, DELIVERY_REFUSED);
    if (r >= 0 && h->warned)
        r = spool_record_warned(lines, h->latest);
    if (r >= 0 && h->attempts > 1)
        r = spool_record_retry(lines, h->first_attempt, 1, h->first_attempt, NULL);
    if (r >= 0 && h->attempts > 0)
        r = spool_record_retry(
            lines, h->attempts > 1 ? h->latest : h->first_attempt, h->attempts, h->next, NULL);
    return r;
}

/* All that is to stand in the new record. 0 or a negative errno. */
static int collect(SpoolClaim *claim, const Buffer *lines, Buffer *ret)
{
    int r = spool_claim_bind(claim, ret);

    if (r >= 0)
        r = carry(ret, &claim->history);

    if (r >= 0)
        r = buffer_append(ret, buffer_data(&claim->appended), buffer_size(&claim->appended));
    return r < 0 ? r : buffer_append(ret, buffer_data(lines), buffer_size(lines));
}

/* A whole record on disk under that name, or none. 0, -EEXIST, or another negative errno. */
static int create(const Spool *spool, const char *name, const Buffer *lines, struct stat *ret)
{
    _cleanup_close_ int fd = spool_record_create(spool, name);
    int r = fd < 0 ? fd : spool_record_write(fd, lines, ret);

    if (fd < 0)
        return r;
    if (r >= 0)
        r = file_sync(fd);
    if (r >= 0)
        r = file_sync(spool->fd);
    if (r < 0)
        (void)unlinkat(spool->fd, name, 0);
    return r;
}

/* Creates the record of `id`, and gives the message that id. */
static int start(SpoolClaim *claim, const char *id, const Buffer *lines)
{
    char name[SPOOL_NAME_MAX];
    struct stat st;
    int r;

    if (!spool_name_format_record(id, name))
        return -ENAMETOOLONG;
    r = create(claim->spool, name, lines, &st);
    if (r < 0)
        return r;
    if (strcmp(id, claim->id) != 0)
        r = spool_claim_check_name(claim);
    if (r >= 0 && strcmp(id, claim->id) != 0)
        r = spool_rename_message(claim->spool, claim->id, SPOOL_SENDING, id, SPOOL_SENDING);
    if (r < 0) {
        (void)unlinkat(claim->spool->fd, name, 0);
        return r;
    }
    spool_claim_set_id(claim, id);
    spool_claim_set_record(claim, &st);
    claim->bound = true;
    claim->unsynced_name = false;
    return 0;
}

int spool_record_start_anew(SpoolClaim *claim, bool elsewhere, const Buffer *lines, Failure *f)
{
    _cleanup_buffer_ Buffer all = {0};
    char id[SPOOL_NAME_MAX];
    int r = collect(claim, lines, &all);

    if (r >= 0)
        r = elsewhere ? 1 : spool_id_is_kept(claim->spool, claim->id);
    if (r >= 0)
        r = r > 0 ? -EEXIST : start(claim, claim->id, &all);
    for (int tries = 0; tries < ID_TRIES && r == -EEXIST; tries++) {
        spool_name_make_id(claim->id, id);
        r = start(claim, id, &all);
    }
    if (r < 0)
        return failure_set_errno(f, r,
            "%s/%s.status: cannot write the delivery record anew; see that the directory can be "
            "written and has room",
            claim->spool->path, claim->id);
    spool_claim_remember(claim, lines);
    return 0;
}
