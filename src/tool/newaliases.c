/* newaliases: nothing is made, for the file of aliases is read whenever it is needed. Must never
 * say of a file that it is right where a part of it was not looked at. */
#include <sysexits.h>

#include "base/errors.h"
#include "tool/local.h"

int local_check_aliases(const char *config_path)
{
    _cleanup_local_ Local l = {0};
    _cleanup_failure_ Failure f = {0};

    if (local_open(config_path, &l, &f) < 0)
        return tool_fail(&f);
    if (l.unread)
        return tool_fail_number(ERROR_FILE, "%s cannot be read: %s", l.names.path, l.unread);
    if (local_check(&l, &f) >= 0)
        return EX_OK;
    (void)tool_fail_about(l.names.path, &f);
    return EX_DATAERR;
}
