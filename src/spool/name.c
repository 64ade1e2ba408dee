/* File names of the queue directory. Must never produce a name that leads out of it. */
#include "spool/name.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/macros.h"

#define RECORD_SUFFIX "status"
#define RANDOM_CHARACTERS 8

static const char *const state_names[SPOOL_STATE_MAX] = {
    [SPOOL_QUEUED] = "queued",
    [SPOOL_SENDING] = "sending",
    [SPOOL_SENT] = "sent",
    [SPOOL_FAILED] = "failed",
    [SPOOL_DEFERRED] = "deferred",
    [SPOOL_HELD] = "held",
};

const char *spool_state_name(SpoolState state)
{
    return (unsigned)state < SPOOL_STATE_MAX ? state_names[state] : "unknown";
}

int spool_state_parse(const char *name, SpoolState *ret)
{
    for (size_t i = 0; i < ELEMENTSOF(state_names); i++)
        if (strcmp(name, state_names[i]) == 0) {
            *ret = (SpoolState)i;
            return 0;
        }
    return -EINVAL;
}

bool spool_name_parse(const char *file_name, SpoolState *ret_state, size_t *ret_id_length)
{
    const char *dot = strrchr(file_name, '.');

    /* A dot in front marks what is not there yet: files being written, and "." and "..". */
    if (!dot || file_name[0] == '.' || spool_state_parse(dot + 1, ret_state) < 0)
        return false;
    *ret_id_length = (size_t)(dot - file_name);
    return true;
}

static bool format(const char *id, const char *suffix, char ret_name[static SPOOL_NAME_MAX])
{
    size_t id_length = strlen(id), suffix_length = strlen(suffix);

    if (id_length == 0 || id[0] == '.' || memchr(id, '/', id_length) ||
        id_length + 1 + suffix_length >= SPOOL_NAME_MAX)
        return false;
    memcpy(ret_name, id, id_length);
    ret_name[id_length] = '.';
    memcpy(ret_name + id_length + 1, suffix, suffix_length + 1);
    return true;
}

bool spool_name_format(const char *id, SpoolState state, char ret_name[static SPOOL_NAME_MAX])
{
    return format(id, spool_state_name(state), ret_name);
}

bool spool_name_format_record(const char *id, char ret_name[static SPOOL_NAME_MAX])
{
    return format(id, RECORD_SUFFIX, ret_name);
}

bool spool_name_parse_record(const char *file_name, size_t *ret_id_length)
{
    const char *dot = strrchr(file_name, '.');

    if (!dot || file_name[0] == '.' || strcmp(dot + 1, RECORD_SUFFIX) != 0)
        return false;
    *ret_id_length = (size_t)(dot - file_name);
    return true;
}

bool spool_name_is_made(const char *id, size_t n)
{
    if (n < 2 + RANDOM_CHARACTERS || id[n - RANDOM_CHARACTERS - 1] != '-')
        return false;
    for (size_t i = n - RANDOM_CHARACTERS; i < n; i++)
        if (!(id[i] >= '0' && id[i] <= '9') && !(id[i] >= 'a' && id[i] <= 'v'))
            return false;
    return true;
}

void spool_name_make_id(const char *id, char ret_id[static SPOOL_NAME_MAX])
{
    size_t length = strlen(id), most = SPOOL_ID_MAX - 1 - RANDOM_CHARACTERS;

    if (length > most)
        for (length = most; length > 1 && ((unsigned char)id[length] & 0xc0) == 0x80;)
            length--;
    memcpy(ret_id, id, length);
    ret_id[length] = '-';
    file_random_name(ret_id + length + 1, RANDOM_CHARACTERS);
}
