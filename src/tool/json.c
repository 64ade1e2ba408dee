/* Values for --json. */
#include "tool/json.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/errors.h"
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

int json_print(json_t *json)
{
    int r = json ? json_dumpf(json, stdout, JSON_INDENT(2)) : -1;

    json_decref(json);
    if (!json)
        return tool_fail_number(ERROR_MEMORY, "no memory is left");
    putchar('\n');
    return r == 0 ? EX_OK : tool_fail_number(ERROR_FILE, "cannot write to standard output");
}
