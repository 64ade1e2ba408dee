/* Values for --json. */
#include "tool/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/text.h"
#include "tool/command.h"

json_t *json_text(const char *text)
{
    _cleanup_free_
    char *printable = NULL;

    if (!text)
        return json_null();
    if (text_is_utf8(text, strlen(text)))
        return json_string(text);
    printable = text_printable(text, strlen(text), 4 * strlen(text));
    return printable ? json_string(printable) : NULL;
}

json_t *json_time(usec_t realtime)
{
    char text[RFC3339_MAX];

    return realtime == 0 ? json_null() : json_string(clock_format_rfc3339(realtime, text));
}

int json_write(const json_t *json, size_t flags)
{
    if (isatty(STDOUT_FILENO))
        flags |= JSON_ENSURE_ASCII;
    return json_dumpf(json, stdout, flags) < 0 && !ferror(stdout) ? -ENOMEM : 0;
}

int json_print(json_t *json)
{
    int r = json ? json_write(json, JSON_INDENT(2)) : -ENOMEM;

    json_decref(json);
    if (r < 0)
        return tool_fail_memory();
    putchar('\n');
    return EX_OK;
}
