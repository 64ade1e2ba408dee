/* The header of a message that goes out has the same fields for GMime as for us: their names, their
 * values, and where the body begins. The input is a file. */
#include <gmime/gmime.h>
#undef MIN /* GLib has the same two */
#undef MAX
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "message/header.h"
#include "message/message.h"
#include "target.h"

#define NOW 1767351845123456u
#define LINE_BYTES_MAX 999      /* with CR */
#define CONTENT_MAX (64 * 1024) /* GMime has no budget */

/* What is left of a value between blanks and line ends. */
static void trim(const char **text, size_t *n)
{
    while (*n > 0 && strchr(" \t\r\n", (*text)[*n - 1]))
        (*n)--;
    while (*n > 0 && strchr(" \t\r\n", **text)) {
        (*text)++;
        (*n)--;
    }
}

static bool is_same(const HeaderField *ours, GMimeHeader *theirs)
{
    const char *name = g_mime_header_get_name(theirs), *value = g_mime_header_get_raw_value(theirs);
    const char *own = ours->value;
    size_t n = strlen(value), n_own = ours->n_value;

    trim(&value, &n);
    trim(&own, &n_own);
    return strlen(name) == ours->n_name && memcmp(name, ours->name, ours->n_name) == 0 &&
           n == n_own && memcmp(value, own, n) == 0;
}

/* GMime's fields: those that begin with "Content-" belong to the body. */
typedef struct Theirs {
    GMimeHeaderList *lists[2];
    int next[2];
} Theirs;

static GMimeHeader *next_header(Theirs *theirs, const HeaderField *ours)
{
    bool is_content = ours->n_name >= 8 && strncasecmp(ours->name, "Content-", 8) == 0;
    GMimeHeaderList *list = theirs->lists[is_content];

    if (!list || theirs->next[is_content] == g_mime_header_list_get_count(list))
        abort();
    return g_mime_header_list_get_header_at(list, theirs->next[is_content]++);
}

static void compare(const Buffer *content, GMimeMessage *message)
{
    GMimeObject *body = g_mime_message_get_mime_part(message);
    Theirs theirs = {{g_mime_object_get_header_list(GMIME_OBJECT(message)),
        body ? g_mime_object_get_header_list(body) : NULL}};
    HeaderParts parts;
    HeaderCursor cursor;
    HeaderField field;

    (void)header_locate(buffer_data(content), buffer_size(content), true, &parts);
    if (parts.block.at < parts.block.end) /* read as a file, it begins with what would be one */
        return;
    cursor = parts.header;
    while (header_next(&cursor, &field, NULL) > 0)
        if (!is_same(&field, next_header(&theirs, &field)))
            abort();
    for (size_t i = 0; i < ELEMENTSOF(theirs.lists); i++)
        if (theirs.lists[i] && theirs.next[i] != g_mime_header_list_get_count(theirs.lists[i]))
            abort();
}

static void parse(const Buffer *content)
{
    GMimeStream *stream =
        g_mime_stream_mem_new_with_buffer(buffer_data(content), buffer_size(content));
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);

    if (message) {
        compare(content, message);
        g_object_unref(message);
    } else if (buffer_size(content) > 0) {
        abort();
    }
    g_object_unref(parser);
    g_object_unref(stream);
}

/* GMime ends a text at a NUL, a line at LF alone, and a header at a name that is longer than a line
 * may be (RFC 5322, 2.1.1). */
static bool is_comparable(const Buffer *content)
{
    const char *data = buffer_data(content);
    size_t n = buffer_size(content), length = 0;

    for (size_t i = 0; i < n; i++) {
        length = data[i] == '\n' ? 0 : length + 1;
        if (data[i] == '\0' || length > LINE_BYTES_MAX ||
            (data[i] == '\r' && (i + 1 == n || data[i + 1] != '\n')))
            return false;
    }
    return n > 0 && n <= CONTENT_MAX;
}

const FuzzBudget fuzz_budget = {.steps = 200000, .steps_per_byte = 800};

void fuzz_input(const uint8_t *data, size_t size)
{
    static bool is_ready;
    _cleanup_(message_free_p) Message *message = NULL;
    _cleanup_buffer_ Buffer content = {0};
    InputMemory input;

    if (!is_ready)
        g_mime_init();
    is_ready = true;
    input_memory_init(&input, data, size);
    if (message_open(&input.base, NOW, "fuzz", &message, NULL) < 0)
        return;
    while (message_read(message, 65536, &content) > 0)
        continue;
    if (is_comparable(&content))
        parse(&content);
}
