/* Values for --json. */
#include "tool/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/buffer.h"
#include "base/macros.h"
#include "base/text.h"
#include "tool/command.h"
#include "tool/wrap.h"

json_t *json_text(const char *text)
{
    _cleanup_free_
    char *printable = NULL;

    if (!text)
        return json_null();
    if (text_is_utf8(text, strlen(text)))
        return json_string(text);
    printable = text_printable_whole(text, strlen(text));
    return printable ? json_string(printable) : NULL;
}

json_t *json_time(usec_t realtime)
{
    char text[RFC3339_MAX];

    return realtime == 0 ? json_null() : json_string(clock_format_rfc3339(realtime, text));
}

/* As \uXXXX: what is not plain is below U+10000. */
static void escape(const char *text, size_t n)
{
    const unsigned char *s = (const unsigned char *)text;

    printf("\\u%04x", n == 1   ? *s
                      : n == 2 ? (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu)
                               : (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu));
}

/* How far it goes on as it is. The ends of lines are between the values: in a string jansson has
 * escaped them. */
static size_t plain_bytes(const char *text, size_t n)
{
    size_t at = 0, step = 1;

    for (; at < n && step > 0; at += step) {
        step = text_plain(text + at, n - at);
        if (step == 0 && text[at] == '\n')
            step = 1;
    }
    return at;
}

/* What could not be kept is told by the buffer: jansson does not look after each piece. */
typedef struct Dump {
    Buffer text;
    bool failed;
} Dump;

static int keep_piece(const char *data, size_t n, void *user)
{
    Dump *dump = user;

    dump->failed = dump->failed || buffer_append(&dump->text, data, n) < 0;
    return dump->failed ? -1 : 0;
}

static void print_plain(const char *text, size_t n)
{
    for (size_t at = 0, step; at < n; at += step) {
        step = plain_bytes(text + at, n - at);
        fwrite(text + at, 1, step, stdout);
        at += step;
        if (at == n)
            return;
        step = MAX(text_character(text + at, n - at), (size_t)1);
        escape(text + at, step);
    }
}

int json_write(const json_t *json, size_t flags)
{
    Dump dump = {0};
    bool failed = json_dump_callback(json, keep_piece, &dump, flags) < 0 || dump.failed;

    wrap_as_is(stdout);
    if (!failed)
        print_plain(buffer_data(&dump.text), buffer_size(&dump.text));
    buffer_done(&dump.text);
    return failed ? -ENOMEM : 0;
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
