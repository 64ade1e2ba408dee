/* The table of errors, and the version. */
#include "base/errors.h"

#include "config.h"

#include <outbox/outbox.h>

const char *outbox_version(void)
{
    return PACKAGE_VERSION;
}

const char *outbox_error_name(int number)
{
    return number == 0 ? "" : error_row(number)->text;
}

int outbox_error_status(int number)
{
    return error_status(number);
}
