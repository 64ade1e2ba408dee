/* The queue directory, for commands that look at it or change what is in it. */
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

void tool_bare_id(const char *argument, char ret_id[static SPOOL_NAME_MAX])
{
    const char *name = tool_base_name(argument);
    SpoolState state;
    size_t length;

    if (!spool_name_parse(name, &state, &length))
        length = strlen(name);
    snprintf(ret_id, SPOOL_NAME_MAX, "%.*s", (int)length, name);
}
