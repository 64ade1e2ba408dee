/* The bounded queue of names. Must never grow beyond its bound, however fast names come in. */
#include "delivery/backlog.h"

#include <errno.h>
#include <string.h>

#define NAME_BYTES_MAX 257

bool backlog_has_room(const Backlog *backlog)
{
    return buffer_size(&backlog->names) + NAME_BYTES_MAX <= BACKLOG_BYTES_MAX;
}

int backlog_push(Backlog *backlog, const char *id, uint8_t tag)
{
    size_t length = strlen(id);
    uint8_t *to;

    if (length > 255 || !backlog_has_room(backlog))
        return 0;
    to = (uint8_t *)buffer_reserve(&backlog->names, length + 2);
    if (!to)
        return -ENOMEM;
    to[0] = tag;
    to[1] = (uint8_t)length;
    memcpy(to + 2, id, length);
    buffer_commit(&backlog->names, length + 2);
    backlog->count++;
    return 1;
}

int backlog_peek(const Backlog *backlog, size_t *at, char *ret_id, uint8_t *ret_tag)
{
    const uint8_t *from = (const uint8_t *)buffer_data(&backlog->names) + *at;

    if (*at >= buffer_size(&backlog->names))
        return 0;
    *ret_tag = from[0];
    memcpy(ret_id, from + 2, from[1]);
    ret_id[from[1]] = '\0';
    *at += 2 + (size_t)from[1];
    return 1;
}

int backlog_pop(Backlog *backlog, char *ret_id, uint8_t *ret_tag)
{
    size_t bytes = 0;

    if (!backlog_peek(backlog, &bytes, ret_id, ret_tag))
        return 0;
    buffer_consume(&backlog->names, bytes);
    backlog->count--;
    buffer_shrink(&backlog->names, 4096);
    return 1;
}

void backlog_done(Backlog *backlog)
{
    buffer_done(&backlog->names);
    backlog->count = 0;
}
