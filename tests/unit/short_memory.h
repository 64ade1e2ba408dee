/* Memory that cannot be had, at one place of a call. The linker sends the allocations of a program
 * that includes this through the functions below (SHORT_MEMORY_WRAPS). */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t n);
void *__real_reallocarray(void *memory, size_t n, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t n);
int __real_vasprintf(char **ret, const char *format, va_list arguments);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t n);
void *__wrap_reallocarray(void *memory, size_t n, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t n);
int __wrap_asprintf(char **ret, const char *format, ...);
int __wrap_vasprintf(char **ret, const char *format, va_list arguments);

/* Of this thread alone: a relay of the test's has all it wants. */
static _Thread_local bool counting;
static _Thread_local unsigned n_allocations, allocation_to_fail;

static inline bool fails(void)
{
    return counting && n_allocations++ == allocation_to_fail;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *memory, size_t n)
{
    return fails() ? NULL : __real_realloc(memory, n);
}

void *__wrap_reallocarray(void *memory, size_t n, size_t size)
{
    return fails() ? NULL : __real_reallocarray(memory, n, size);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t n)
{
    return fails() ? NULL : __real_strndup(text, n);
}

__attribute__((format(printf, 2, 0))) int __wrap_vasprintf(
    char **ret, const char *format, va_list arguments)
{
    return fails() ? -1 : __real_vasprintf(ret, format, arguments);
}

__attribute__((format(printf, 2, 3))) int __wrap_asprintf(char **ret, const char *format, ...)
{
    va_list arguments;
    int r;

    va_start(arguments, format);
    r = __wrap_vasprintf(ret, format, arguments);
    va_end(arguments);
    return r;
}

/* The value of a call whose allocations count: Check uses memory as well. */
#define COUNTED(call)            \
    ({                           \
        __typeof__(call) _value; \
                                 \
        counting = true;         \
        _value = (call);         \
        counting = false;        \
        _value;                  \
    })
