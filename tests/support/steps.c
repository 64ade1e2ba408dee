/* The counter. Must not be compiled with STEPS_CFLAGS itself. */
#include "steps.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t count;

void steps_start(void)
{
    count = 0;
}

uint64_t steps_stop(void)
{
    return count;
}

void __sanitizer_cov_trace_pc(void);

void __sanitizer_cov_trace_pc(void)
{
    count++;
}

/* A function of the library that is given how many bytes it goes through: `arguments` in brackets
 * twice, with and without their types. */
#define COUNT_BYTES(type, name, parameters, arguments, n) \
    type __real_##name parameters;                        \
    type __wrap_##name parameters;                        \
    type __wrap_##name parameters                         \
    {                                                     \
        count += n;                                       \
        return __real_##name arguments;                   \
    }

COUNT_BYTES(size_t, strlen, (const char *s), (s), strnlen(s, PTRDIFF_MAX))
COUNT_BYTES(void *, memcpy, (void *to, const void *from, size_t n), (to, from, n), n)
COUNT_BYTES(void *, memmove, (void *to, const void *from, size_t n), (to, from, n), n)
COUNT_BYTES(void *, memset, (void *to, int c, size_t n), (to, c, n), n)
COUNT_BYTES(int, memcmp, (const void *a, const void *b, size_t n), (a, b, n), n)
COUNT_BYTES(void *, realloc, (void *p, size_t n), (p, n), n)
COUNT_BYTES(void *, reallocarray, (void *p, size_t n, size_t size), (p, n, size), n *size)
COUNT_BYTES(void *, calloc, (size_t n, size_t size), (n, size), n *size)
COUNT_BYTES(char *, strdup, (const char *s), (s), __real_strlen(s))
COUNT_BYTES(char *, strndup, (const char *s, size_t n), (s, n), strnlen(s, n))
COUNT_BYTES(char *, strrchr, (const char *s, int c), (s, c), __real_strlen(s))

/* The same for those that stop somewhere before the end. */
#define COUNT_UP_TO(type, name, parameters, arguments, n) \
    type __real_##name parameters;                        \
    type __wrap_##name parameters;                        \
    type __wrap_##name parameters                         \
    {                                                     \
        type r = __real_##name arguments;                 \
                                                          \
        count += n;                                       \
        return r;                                         \
    }

/* Where two texts part, at most `n` bytes on. */
static size_t common(const char *a, const char *b, size_t n)
{
    size_t i = 0;

    while (i < n && a[i] && a[i] == b[i])
        i++;
    return i;
}

COUNT_UP_TO(void *, memchr, (const void *s, int c, size_t n), (s, c, n),
    r ? (size_t)((const char *)r - (const char *)s) : n)
COUNT_UP_TO(char *, strchr, (const char *s, int c), (s, c),
    r ? (size_t)((const char *)r - s) : __real_strlen(s))
COUNT_UP_TO(size_t, strcspn, (const char *s, const char *stop), (s, stop), r)
COUNT_UP_TO(int, strcmp, (const char *a, const char *b), (a, b), common(a, b, SIZE_MAX))
COUNT_UP_TO(int, strncmp, (const char *a, const char *b, size_t n), (a, b, n), common(a, b, n))
COUNT_UP_TO(int, strncasecmp, (const char *a, const char *b, size_t n), (a, b, n), n)
COUNT_UP_TO(int, vsnprintf, (char *to, size_t n, const char *format, va_list v), (to, n, format, v),
    r > 0 ? (size_t)r : 0)
COUNT_UP_TO(int, vasprintf, (char **to, const char *format, va_list v), (to, format, v),
    r > 0 ? (size_t)r : 0)
