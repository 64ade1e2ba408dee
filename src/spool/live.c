/* What this process is sending. Must never let two claims have one id, nor act on a file that has
 * come under a claim's name: in a drop box the owner of a `.sending` file may rename it, and then
 * the next message of that id would be ended in its place. */
#include <errno.h>
#include <string.h>

#include "spool/internal.h"

static SpoolClaim **bucket_of(Spool *spool, const char *id)
{
    return &spool->live[hash_bytes(&spool->key, id, strlen(id)) % SPOOL_LIVE_BUCKETS];
}

bool spool_is_live(Spool *spool, const char *id)
{
    for (const SpoolClaim *claim = *bucket_of(spool, id); claim; claim = claim->next_live)
        if (strcmp(claim->id, id) == 0)
            return true;
    return false;
}

void spool_claim_begin(SpoolClaim *claim, const struct stat *st)
{
    SpoolClaim **bucket = bucket_of(claim->spool, claim->id);

    claim->device = st->st_dev;
    claim->inode = st->st_ino;
    claim->live = true;
    claim->next_live = *bucket;
    *bucket = claim;
}

void spool_claim_end(SpoolClaim *claim)
{
    SpoolClaim **at;

    if (!claim->live)
        return;
    for (at = bucket_of(claim->spool, claim->id); *at != claim;)
        at = &(*at)->next_live;
    *at = claim->next_live;
    claim->live = false;
}

void spool_claim_set_id(SpoolClaim *claim, const char *id)
{
    const struct stat st = {.st_dev = claim->device, .st_ino = claim->inode};
    bool live = claim->live;

    spool_claim_end(claim);
    memmove(claim->id, id, strlen(id) + 1);
    if (live)
        spool_claim_begin(claim, &st);
}

int spool_claim_check_name(const SpoolClaim *claim)
{
    char name[SPOOL_NAME_MAX];
    struct stat st;
    int r;

    if (!claim->live || !claim->spool->shared)
        return 0;
    (void)spool_name_format(claim->id, SPOOL_SENDING, name);
    r = spool_stat_at(claim->spool->fd, name, &st);
    if (r < 0)
        return r == -EXDEV ? -EBUSY : r;
    return st.st_dev == claim->device && st.st_ino == claim->inode ? 0 : -ENOENT;
}
