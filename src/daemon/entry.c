/* Building log entries in fixed memory. Must never allocate for a value of printable ASCII:
 * thousands of entries a second pass through here. */
#include "daemon/entry.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"

static void add(Entry *entry, const char *data, size_t n)
{
    n = MIN(n, ENTRY_MEMORY_BYTES - entry->used);
    memcpy(entry->memory + entry->used, data, n);
    entry->used += n;
}

void entry_start(Entry *entry, int priority, const char *message_id, const char *event)
{
    entry->n_fields = entry->used = 0;
    entry->priority = priority;
    entry_field_number(entry, "PRIORITY=", (uint64_t)priority);
    entry_field(entry, "MESSAGE_ID=", message_id);
    entry_field(entry, "OUTBOX_EVENT=", event);
}

void entry_open(Entry *entry, const char *name)
{
    entry->field_start = entry->used;
    entry_text(entry, name);
}

void entry_text(Entry *entry, const char *text)
{
    add(entry, text, strlen(text));
}

static bool is_plain(const char *value, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (value[i] < 0x20 || value[i] > 0x7e)
            return false;
    return true;
}

static void add_printable(Entry *entry, const char *value, size_t n, size_t max)
{
    _cleanup_free_
    char *printable = NULL;

    if (n <= max && is_plain(value, n)) {
        add(entry, value, n);
        return;
    }
    printable = text_printable(value, n, max);
    entry_text(entry, printable ?: "(no memory to show it)");
}

void entry_printable(Entry *entry, const char *value, size_t max)
{
    add_printable(entry, value, strlen(value), max);
}

void entry_lines(Entry *entry, const char *value)
{
    while (*value) {
        size_t n = strcspn(value, "\n");

        if (entry->used > ENTRY_MEMORY_BYTES / 2) {
            entry_text(entry, "...");
            return;
        }
        add_printable(entry, value, n, ENTRY_VALUE_MAX);
        value += n;
        if (value[0] == '\0' || value[1] == '\0')
            return;
        entry_text(entry, "\n");
        value++;
    }
}

void entry_number(Entry *entry, uint64_t number)
{
    char digits[20], *first = digits + sizeof(digits);

    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    add(entry, first, (size_t)(digits + sizeof(digits) - first));
}

void entry_close(Entry *entry)
{
    if (entry->n_fields == ENTRY_FIELDS_MAX || entry->used == ENTRY_MEMORY_BYTES)
        return;
    entry->fields[entry->n_fields++] = (struct iovec){
        .iov_base = entry->memory + entry->field_start,
        .iov_len = entry->used - entry->field_start,
    };
}

void entry_field(Entry *entry, const char *name, const char *value)
{
    if (!value || *value == '\0')
        return;
    entry_open(entry, name);
    entry_printable(entry, value, ENTRY_VALUE_MAX);
    entry_close(entry);
}

void entry_field_number(Entry *entry, const char *name, uint64_t number)
{
    entry_open(entry, name);
    entry_number(entry, number);
    entry_close(entry);
}
