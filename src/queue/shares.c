/* Owners and their shares. Must never cost a system call where all files are of one owner. */
#include "queue/shares.h"

void shares_look(Shares *s, Spool *spool)
{
    s->several = spool_is_shared(spool);
}

static bool is_given(const Shares *s, unsigned share)
{
    return s->given >> share & 1;
}

unsigned shares_of_owner(Shares *s, const NameTable *table, uid_t owner)
{
    size_t fewest = SIZE_MAX;
    unsigned emptiest = 0;

    for (unsigned i = 0; i < NAME_SHARES; i++) {
        size_t n = name_table_of_share(table, i);

        if (is_given(s, i) && s->owners[i] == owner)
            return i;
        if (n < fewest) {
            fewest = n;
            emptiest = i;
        }
    }
    s->given |= (uint64_t)1 << emptiest;
    s->owners[emptiest] = owner;
    return emptiest;
}

unsigned shares_of(
    Shares *s, const NameTable *table, const Spool *spool, const char *id, SpoolState state)
{
    uid_t owner;

    if (!s->several || spool_owner(spool, id, state, &owner) < 0)
        return 0;
    return shares_of_owner(s, table, owner);
}
