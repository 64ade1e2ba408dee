/* The counter. Must not be compiled with STEPS_CFLAGS itself. */
#include "steps.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t count, limit = UINT64_MAX;
static void (*on_over)(void);

void steps_start(void)
{
    steps_start_within(UINT64_MAX, NULL);
}

void steps_start_within(uint64_t most, void (*over)(void))
{
    count = 0;
    limit = most;
    on_over = over;
}

void steps_allow(uint64_t more)
{
    limit += more;
}

uint64_t steps_stop(void)
{
    limit = UINT64_MAX;
    return count;
}

static void add(uint64_t n)
{
    count += n;
    if (count <= limit)
        return;
    limit = UINT64_MAX;
    on_over();
}

/* A fuzzer's library has a function of that name, too, and does nothing in it. */
void __wrap___sanitizer_cov_trace_pc(void);

void __wrap___sanitizer_cov_trace_pc(void)
{
    add(1);
}

/* A function of the library that is given how many bytes it goes through: `arguments` in brackets
 * twice, with and without their types. */
#define COUNT_BYTES(type, name, parameters, arguments, n) \
    type __real_##name parameters;                        \
    type __wrap_##name parameters;                        \
    type __wrap_##name parameters                         \
    {                                                     \
        add(n);                                           \
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
COUNT_BYTES(char *, strcat, (char *to, const char *from), (to, from),
    __real_strlen(to) + __real_strlen(from))
COUNT_BYTES(char *, strcpy, (char *to, const char *from), (to, from), __real_strlen(from))
COUNT_BYTES(char *, strrchr, (const char *s, int c), (s, c), __real_strlen(s))

/* The same for those that stop somewhere before the end. */
#define COUNT_UP_TO(type, name, parameters, arguments, n) \
    type __real_##name parameters;                        \
    type __wrap_##name parameters;                        \
    type __wrap_##name parameters                         \
    {                                                     \
        type r = __real_##name arguments;                 \
                                                          \
        add(n);                                           \
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
COUNT_UP_TO(size_t, strspn, (const char *s, const char *accept), (s, accept), r)
COUNT_UP_TO(char *, strpbrk, (const char *s, const char *stop), (s, stop),
    r ? (size_t)(r - s) : __real_strlen(s))
COUNT_UP_TO(char *, strstr, (const char *s, const char *part), (s, part),
    r ? (size_t)(r - s) : __real_strlen(s))
COUNT_UP_TO(char *, strcasestr, (const char *s, const char *part), (s, part),
    r ? (size_t)(r - s) : __real_strlen(s))
COUNT_UP_TO(void *, memmem, (const void *s, size_t n, const void *part, size_t n_part),
    (s, n, part, n_part), r ? (size_t)((const char *)r - (const char *)s) : n)
COUNT_UP_TO(int, strcmp, (const char *a, const char *b), (a, b), common(a, b, SIZE_MAX))
COUNT_UP_TO(int, strncmp, (const char *a, const char *b, size_t n), (a, b, n), common(a, b, n))
COUNT_UP_TO(int, strncasecmp, (const char *a, const char *b, size_t n), (a, b, n), n)
COUNT_UP_TO(int, vsnprintf, (char *to, size_t n, const char *format, va_list v), (to, n, format, v),
    r > 0 ? (size_t)r : 0)
COUNT_UP_TO(int, vasprintf, (char **to, const char *format, va_list v), (to, format, v),
    r > 0 ? (size_t)r : 0)
