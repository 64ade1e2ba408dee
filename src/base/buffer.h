/* A growing byte buffer that is filled at the end and consumed at the front.
 *
 * Ownership: the buffer owns its memory; pointers from buffer_data() are valid until the next call
 * that adds to it. All functions that may allocate return 0 or -ENOMEM and leave the content
 * untouched on failure. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/macros.h"

typedef struct Buffer {
    char *memory;
    size_t start, end, allocated;
} Buffer;

static inline const char *buffer_data(const Buffer *b)
{
    return b->memory ? b->memory + b->start : NULL;
}

/* The content from `offset` on. */
static inline const char *buffer_at(const Buffer *b, size_t offset)
{
    return b->memory ? b->memory + b->start + offset : NULL;
}

static inline size_t buffer_size(const Buffer *b)
{
    return b->end - b->start;
}

/* Frees the memory; the buffer is empty and usable afterwards. */
void buffer_done(Buffer *b);

/* Forgets the content, keeps the memory. */
static inline void buffer_clear(Buffer *b)
{
    b->start = b->end = 0;
}

/* Makes room for `n` more bytes and returns where they go, or NULL when memory is short;
 * buffer_commit() makes the bytes written there part of the content. */
char *buffer_reserve(Buffer *b, size_t n);
void buffer_commit(Buffer *b, size_t n);

int buffer_append(Buffer *b, const void *data, size_t n);
int buffer_append_string(Buffer *b, const char *text);
int buffer_appendf(Buffer *b, const char *format, ...) _printf_(2, 3);
int buffer_appendv(Buffer *b, const char *format, va_list arguments) _printf_(2, 0);

/* Drops `n` bytes at the front (at most what is there). */
void buffer_consume(Buffer *b, size_t n);

/* Drops all but the first `size` bytes of the content: takes back what was appended since it had
 * that size. */
static inline void buffer_truncate(Buffer *b, size_t size)
{
    b->end = b->start + size;
}

/* Gives memory above `keep` bytes back to the system when the buffer is empty. */
void buffer_shrink(Buffer *b, size_t keep);

#define _cleanup_buffer_ _cleanup_(buffer_done)
