/* Scope-bound cleanup, ownership hand-over and a few attributes; the whole macro vocabulary of the
 * project. */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(function) __attribute__((cleanup(function)))
#define _printf_(string, first) __attribute__((__format__(__printf__, string, first)))
#define _unused_ __attribute__((unused))
#define _hot_ __attribute__((hot))

#define ELEMENTSOF(array) (sizeof(array) / sizeof((array)[0]))

/* A name that no other expansion has, so that one may stand in the arguments of another. */
#define UNIQUE_JOINED(name, number) name##number
#define UNIQUE_NUMBERED(name, number) UNIQUE_JOINED(name, number)
#define UNIQUE(name) UNIQUE_NUMBERED(name, __COUNTER__)

/* The lesser, and the greater, of two values that are each evaluated once. cppcheck loses its way
 * in such a block. */
#ifdef __cppcheck__
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#else
#define MIN(a, b) CHOOSE(<, a, UNIQUE(_first), b, UNIQUE(_second))
#define MAX(a, b) CHOOSE(>, a, UNIQUE(_first), b, UNIQUE(_second))
#define CHOOSE(than, a, first, b, second)   \
    ({                                      \
        __auto_type first = (a);            \
        __auto_type second = (b);           \
        first than second ? first : second; \
    })
#endif

#define SWAP(a, b)                 \
    do {                           \
        __typeof__(a) _kept = (a); \
        (a) = (b);                 \
        (b) = _kept;               \
    } while (0)

/* Hand over a pointer or descriptor that a cleanup attribute watches: the value is returned, the
 * variable becomes NULL or -1. */
#define TAKE_PTR(pointer)                       \
    ({                                          \
        __typeof__(pointer) _taken = (pointer); \
        (pointer) = NULL;                       \
        _taken;                                 \
    })
#define TAKE_FD(fd)        \
    ({                     \
        int _taken = (fd); \
        (fd) = -1;         \
        _taken;            \
    })

/* Defines `static void name_p(type **)` for use with _cleanup_, calling a destructor that accepts
 * NULL. */
#define DEFINE_CLEANUP(type, destructor)                       \
    _unused_ static inline void destructor##_p(type **pointer) \
    {                                                          \
        destructor(*pointer);                                  \
    }                                                          \
    static inline void destructor##_p(type **pointer)

static inline void free_p(void *pointer)
{
    free(*(void **)pointer);
}

static inline void close_p(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

#define _cleanup_free_ _cleanup_(free_p)
#define _cleanup_close_ _cleanup_(close_p)
