/* Owners and their shares. Must never cost a system call where all files are of one owner. */
#include "queue/shares.h"

void shares_look(Shares *s, const Spool *spool)
{
    s->several = spool_is_shared(spool);
}

static bool is_given(const Shares *s, unsigned share)
{
    return s->given >> share & 1;
}

static unsigned share_of_owner(Shares *s, const NameTable *table, uid_t owner)
{
    unsigned free_share = NAME_SHARES;

    for (unsigned i = NAME_SHARES; i-- > 0;) {
        if (is_given(s, i) && s->owners[i] == owner)
            return i;
        if (!is_given(s, i) || name_table_of_share(table, i) == 0)
            free_share = i;
    }
    if (free_share == NAME_SHARES)
        return owner % NAME_SHARES;
    s->given |= (uint64_t)1 << free_share;
    s->owners[free_share] = owner;
    return free_share;
}

unsigned shares_of(
    Shares *s, const NameTable *table, const Spool *spool, const char *id, SpoolState state)
{
    uid_t owner;

    if (!s->several || spool_owner(spool, id, state, &owner) < 0)
        return 0;
    return share_of_owner(s, table, owner);
}
