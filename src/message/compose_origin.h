/* Where the text and the files of a message come from. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

typedef enum ComposeOrigin {
    COMPOSE_NOTHING,
    COMPOSE_MEMORY,
    COMPOSE_FILE,
    COMPOSE_DESCRIPTOR, /* from where its offset stands to its end */
    COMPOSE_CALLBACK,
} ComposeOrigin;

/* Everything borrowed, and needed until the Composed is freed. A descriptor and a callback can be
 * read once. */
typedef struct ComposeSource {
    ComposeOrigin origin;
    const char *data; /* COMPOSE_MEMORY */
    size_t n;
    const char *path; /* COMPOSE_FILE; what a descriptor or callback is called in a Failure, or NULL
                       */
    bool waits;       /* COMPOSE_FILE: it may be a pipe, which is waited for */
    int fd;           /* COMPOSE_DESCRIPTOR */
    /* COMPOSE_CALLBACK: up to `n` bytes; 0 at the end; a negative errno. `close` may be NULL. */
    ssize_t (*read)(void *user, void *to, size_t n);
    void (*close)(void *user);
    void *user;
    bool closes; /* the descriptor or callback is closed with the Composed, read or not
                    (CloseStreamAfterTransfer); never when compose_open() failed */
} ComposeSource;

static inline ComposeSource compose_bytes(const void *data, size_t n)
{
    return (ComposeSource){.origin = COMPOSE_MEMORY, .data = data, .n = n};
}

static inline ComposeSource compose_text(const char *text) /* NULL: nothing */
{
    return text ? compose_bytes(text, strlen(text)) : (ComposeSource){0};
}

static inline ComposeSource compose_file(const char *path)
{
    return (ComposeSource){.origin = COMPOSE_FILE, .path = path};
}

#define COMPOSE_FILE_MAX ((uint64_t)1 << 30) /* bytes of a text or an attachment */
