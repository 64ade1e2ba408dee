/* Entries as lines: "time level message key=value...". Must never write a line in several pieces:
 * other processes may share the stream. */
#include <stdbool.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/macros.h"
#include "daemon/log.h"

#define FIELD_PREFIX "OUTBOX_"
#define LINE_BYTES (ENTRY_MEMORY_BYTES + 8 * 1024)

/* Where a line is put together; what does not fit is left out. */
typedef struct Line {
    char *text;
    size_t used, size;
} Line;

static void put(Line *line, char c)
{
    if (line->used < line->size)
        line->text[line->used++] = c;
}

static void put_text(Line *line, const char *text)
{
    while (*text)
        put(line, *text++);
}

static const char *level_name(int priority)
{
    static const char *const names[] = {
        "emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"};

    return names[priority & LOG_PRIMASK];
}

static bool is_named(const struct iovec *field, const char *name)
{
    size_t n = strlen(name);

    return field->iov_len >= n && memcmp(field->iov_base, name, n) == 0;
}

static void put_message(Line *line, const char *value, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put(line, value[i]);
        if (value[i] == '\n')
            put_text(line, "    ");
    }
}

/* The value in quotes where a reader, or awk, could otherwise not tell its end. */
static void put_value(Line *line, const char *value, size_t n)
{
    bool quoted = memchr(value, ' ', n) || memchr(value, '"', n);

    if (quoted)
        put(line, '"');
    for (size_t i = 0; i < n; i++) {
        if (quoted && (value[i] == '"' || value[i] == '\\'))
            put(line, '\\');
        put(line, value[i]);
    }
    if (quoted)
        put(line, '"');
}

/* " code=250" from "OUTBOX_CODE=250". */
static void put_field(Line *line, const struct iovec *field)
{
    const char *name = (const char *)field->iov_base + strlen(FIELD_PREFIX);
    size_t n = field->iov_len - strlen(FIELD_PREFIX);
    const char *equals = memchr(name, '=', n);

    if (!equals)
        return;
    put(line, ' ');
    for (const char *c = name; c < equals; c++)
        put(line, (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c));
    put(line, '=');
    put_value(line, equals + 1, n - (size_t)(equals + 1 - name));
}

size_t log_stderr_format(const Entry *entry, const char *time, char *ret_line, size_t size)
{
    static const char message[] = "MESSAGE=";
    Line line = {.text = ret_line, .size = size - 2}; /* for the line end and a NUL */

    put_text(&line, time);
    put(&line, ' ');
    put_text(&line, level_name(entry->priority));
    put(&line, ' ');
    for (size_t i = 0; i < entry->n_fields; i++)
        if (is_named(&entry->fields[i], message))
            put_message(&line, (const char *)entry->fields[i].iov_base + strlen(message),
                entry->fields[i].iov_len - strlen(message));
    for (size_t i = 0; i < entry->n_fields; i++)
        if (is_named(&entry->fields[i], FIELD_PREFIX))
            put_field(&line, &entry->fields[i]);
    line.text[line.used++] = '\n';
    line.text[line.used] = '\0';
    return line.used;
}

int log_stderr_write(_unused_ void *user, const Entry *entry)
{
    char time[RFC3339_MAX], line[LINE_BYTES];
    size_t n;

    clock_format_rfc3339(clock_realtime(), time);
    n = log_stderr_format(entry, time, line, sizeof(line));
    return file_write_all(STDERR_FILENO, line, n);
}
