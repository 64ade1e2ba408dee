/* A growing byte buffer. Must never read or write a descriptor. */
#include "base/buffer.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>

void buffer_done(Buffer *b)
{
    free(b->memory);
    *b = (Buffer){0};
}

/* Moves the content to the front when that makes room, and allocates otherwise. */
char *buffer_reserve(Buffer *b, size_t n)
{
    size_t size = buffer_size(b), wanted, allocated;
    char *memory;

    if (b->allocated - b->end >= n && b->memory)
        return b->memory + b->end;
    if (b->start > 0 && b->allocated - size >= n && b->start >= size) {
        memcpy(b->memory, b->memory + b->start, size);
        b->start = 0;
        b->end = size;
        return b->memory + b->end;
    }
    if (__builtin_add_overflow(size, n, &wanted) || wanted > SIZE_MAX / 4)
        return NULL;
    allocated = MAX((size_t)512, b->allocated);
    while (allocated < wanted)
        allocated *= 2;
    memory = malloc(allocated);
    if (!memory)
        return NULL;
    if (size > 0)
        memcpy(memory, b->memory + b->start, size);
    free(b->memory);
    *b = (Buffer){.memory = memory, .end = size, .allocated = allocated};
    return b->memory + b->end;
}

void buffer_commit(Buffer *b, size_t n)
{
    b->end += n;
}

int buffer_append(Buffer *b, const void *data, size_t n)
{
    char *to;

    if (n == 0)
        return 0;
    to = buffer_reserve(b, n);
    if (!to)
        return -ENOMEM;
    memcpy(to, data, n);
    buffer_commit(b, n);
    return 0;
}

int buffer_append_string(Buffer *b, const char *text)
{
    return buffer_append(b, text, strlen(text));
}

int buffer_appendv(Buffer *b, const char *format, va_list arguments)
{
    va_list copy;
    char *to;
    int n;

    va_copy(copy, arguments);
    n = vsnprintf(NULL, 0, format, copy);
    va_end(copy);
    if (n < 0)
        return -EINVAL;
    to = buffer_reserve(b, (size_t)n + 1);
    if (!to)
        return -ENOMEM;
    vsnprintf(to, (size_t)n + 1, format, arguments);
    buffer_commit(b, (size_t)n);
    return 0;
}

int buffer_appendf(Buffer *b, const char *format, ...)
{
    va_list arguments;
    int r;

    va_start(arguments, format);
    r = buffer_appendv(b, format, arguments);
    va_end(arguments);
    return r;
}

void buffer_consume(Buffer *b, size_t n)
{
    if (n >= buffer_size(b))
        buffer_clear(b);
    else
        b->start += n;
}

void buffer_shrink(Buffer *b, size_t keep)
{
    if (buffer_size(b) == 0 && b->allocated > keep)
        buffer_done(b);
}
