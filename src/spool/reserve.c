/* Spare records: empty files to which room was given, so that what is known of a message can be
 * written down on a full disk. Must never let a message be sent to several recipients without one,
 * where the file system can give such room. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "spool/internal.h"

/* Of a recipient's line: codes, relay, TLS, and a reply of usual length. */
#define LINE_BYTES ((size_t)768)
#define ROUND_BYTES ((size_t)4096)
#define SPARE_BYTES_MAX ((size_t)1 << 20)

/* An older one may have been cleared away by who takes it for a dead writer's. */
#define SPARE_AGE_MAX (USEC_PER_DAY / 2)

#define RANDOM_CHARACTERS 13

struct SpoolSpare {
    SpoolSpare *next;
    size_t bytes;
    usec_t made; /* monotonic */
    char name[sizeof(SPOOL_TEMPORARY_PREFIX) + RANDOM_CHARACTERS];
};

static void drop(const Spool *spool, SpoolSpare *spare)
{
    (void)unlinkat(spool->fd, spare->name, 0);
    free(spare);
}

/* 0, or a negative errno. Where the file system cannot give room in advance, the file alone has to
 * do. */
static int give_room(int fd, size_t bytes)
{
    int r;

    do
        r = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes) < 0 ? -errno : 0;
    while (r == -EINTR);
    return r == -EOPNOTSUPP || r == -ENOSYS ? 0 : r;
}

static int spare_new(const Spool *spool, size_t bytes, SpoolSpare **ret)
{
    SpoolSpare *spare = calloc(1, sizeof(*spare));
    _cleanup_close_ int fd = -1;
    int r;

    if (!spare)
        return -ENOMEM;
    *spare = (SpoolSpare){.bytes = bytes, .made = clock_monotonic()};
    strcpy(spare->name, SPOOL_TEMPORARY_PREFIX "0123456789abc");
    file_random_name(spare->name + strlen(SPOOL_TEMPORARY_PREFIX), RANDOM_CHARACTERS);
    fd = spool_record_create(spool, spare->name);
    if (fd < 0) {
        free(spare);
        return fd;
    }
    r = give_room(fd, bytes);
    if (r < 0)
        drop(spool, spare);
    else
        *ret = spare;
    return r;
}

/* One that is large and young enough, or NULL; those that are not go. */
static SpoolSpare *take_spare(Spool *spool, size_t bytes)
{
    usec_t now = clock_monotonic();

    while (spool->spares) {
        SpoolSpare *spare = spool->spares;

        spool->spares = spare->next;
        if (spare->bytes >= bytes && now < usec_add(spare->made, SPARE_AGE_MAX))
            return spare;
        drop(spool, spare);
    }
    return NULL;
}

int spool_claim_reserve(SpoolClaim *claim, size_t recipients, Failure *f)
{
    size_t bytes = MIN(recipients, SPARE_BYTES_MAX / LINE_BYTES) * LINE_BYTES;
    int r = 0;

    if (claim->spare)
        return 0;
    bytes = (bytes + ROUND_BYTES - 1) / ROUND_BYTES * ROUND_BYTES;
    claim->spare = take_spare(claim->spool, bytes);
    if (!claim->spare)
        r = spare_new(claim->spool, bytes, &claim->spare);
    claim->spool->n_reserved += claim->spare != NULL;
    return r < 0 ? failure_set_errno(f, r,
                       "%s/%s: not sent at present, for there is no room to note who of its "
                       "recipients has had it; see that the file system has room",
                       claim->spool->path, claim->id)
                 : 0;
}

/* Nobody finds one in the directory when nothing is under way. */
static void release(Spool *spool)
{
    if (--spool->n_reserved > 0)
        return;
    while (spool->spares) {
        SpoolSpare *spare = spool->spares;

        spool->spares = spare->next;
        drop(spool, spare);
    }
}

void spool_claim_unreserve(SpoolClaim *claim)
{
    SpoolSpare *spare = TAKE_PTR(claim->spare);

    if (!spare)
        return;
    spare->next = claim->spool->spares;
    claim->spool->spares = spare;
    release(claim->spool);
}

int spool_claim_use_spare(SpoolClaim *claim, const char *name)
{
    SpoolSpare *spare = claim->spare;
    _cleanup_close_ int fd = -1;
    int r;

    if (!spare)
        return -ENOSPC;
    fd = spool_open_at(claim->spool, spare->name, O_RDWR | O_APPEND);
    r = fd < 0 ? fd : spool_rename(claim->spool->fd, spare->name, name);
    if (r < 0)
        return r;
    free(TAKE_PTR(claim->spare));
    release(claim->spool);
    return TAKE_FD(fd);
}

bool spool_claim_spend_spare(SpoolClaim *claim)
{
    if (!claim->spare)
        return false;
    drop(claim->spool, TAKE_PTR(claim->spare));
    release(claim->spool);
    return true;
}
