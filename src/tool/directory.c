/* The queue directory, for commands that look at it or change what is in it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/errors.h"
#include "tool/command.h"

int tool_fail_queue(const Spool *spool, int error)
{
    return tool_fail_number(error_is_common(error) ? error_from_errno(error) : ERROR_SPOOL,
        "cannot read %s: %s", spool_path(spool), strerrordesc_np(-error) ?: "unknown error");
}

int tool_open_spool(const Tool *tool, const char *directory, Spool **ret)
{
    _cleanup_failure_ Failure f = {0};
    _cleanup_free_
    char *path = NULL;
    int status;

    status = tool_directory(tool, directory, &path, NULL);
    if (status != 0)
        return status;
    return spool_open(path, ret, &f) < 0 ? tool_fail(&f) : 0;
}

/* A look that fails is no proof that there is none. */
static bool may_be_there(const Spool *spool, const char *id)
{
    SpoolState state;

    return spool_find(spool, id, &state) != -ENOENT;
}

static int fail_ambiguous(const Spool *spool, const char *word, const char *id_of_file)
{
    SpoolState state;

    return tool_fail_number(ERROR_FILE,
        "%s is the id of one message in %s and names the file of another, %s: say ./%s.%s for the "
        "first, and ./%s for the second",
        word, spool_path(spool), id_of_file, word,
        spool_state_name(spool_find(spool, word, &state) == 0 ? state : SPOOL_QUEUED), word);
}

/* Ids that end like a state are as good as any: `report.deferred`, in `report.deferred.queued`. So
 * a word is what `list` prints first. The state in the name of a file may be one that the message
 * has left meanwhile, and decides nothing. */
int tool_find_id(const Spool *spool, const char *argument, char ret_id[static SPOOL_NAME_MAX])
{
    const char *word = tool_base_name(argument);
    char id_of_file[SPOOL_NAME_MAX];
    SpoolState state;
    size_t length;

    snprintf(ret_id, SPOOL_NAME_MAX, "%s", word);
    if (!spool_name_parse(word, &state, &length))
        return 0;
    snprintf(id_of_file, sizeof(id_of_file), "%.*s", (int)length, word);
    if (word == argument && may_be_there(spool, word))
        return may_be_there(spool, id_of_file) ? fail_ambiguous(spool, word, id_of_file) : 0;
    memcpy(ret_id, id_of_file, sizeof(id_of_file));
    return 0;
}
