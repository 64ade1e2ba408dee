#include "base/share.h"

unsigned share_of(const Share *share, unsigned limit)
{
    unsigned part = limit / share->count + (share->place < limit % share->count);

    return part == 0 || !share->known ? 1 : part;
}
