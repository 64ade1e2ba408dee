/* Name lookup as a test wants it: "relay.test", and "bücher.example" under the only name that a
 * name server knows it by, has the addresses of the test, "hung.test" hangs, and this host is
 * "box", whose full name is "box.test". To be linked with FAKED_NAMES. Every other name is looked
 * up in truth. */
#pragma once

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

typedef struct FakeNames {
    const char *const *addresses; /* of relay.test; ends with NULL */
    int relay_code;               /* what its lookup fails with; 0: it does not */
    int relay_error;              /* the errno that goes with EAI_SYSTEM */
    bool box_hangs;
    int hang_fd;     /* what hangs reads from here */
    int release_fd;  /* closed to let it go on */
    unsigned relays; /* lookups of relay.test that were begun */
    unsigned boxes;  /* lookups of box */
} FakeNames;

static FakeNames names = {.hang_fd = -1, .release_fd = -1};

int __real_getaddrinfo(
    const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret);
int __wrap_getaddrinfo(
    const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret);
int __wrap_gethostname(char *name, size_t size);

static inline void names_begin(const char *const *addresses)
{
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    names = (FakeNames){.addresses = addresses, .hang_fd = ends[0], .release_fd = ends[1]};
}

/* What hangs goes on. */
static inline void names_release(void)
{
    if (names.release_fd >= 0)
        close(names.release_fd);
    names.release_fd = -1;
}

static inline unsigned names_count(const unsigned *counter)
{
    return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

static inline void hang(void)
{
    char byte;

    (void)!read(names.hang_fd, &byte, 1);
}

static inline int look_up_relay(
    const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
    struct addrinfo numeric = *hints, **end = ret;

    __atomic_add_fetch(&names.relays, 1, __ATOMIC_SEQ_CST);
    if (names.relay_code != 0) {
        errno = names.relay_error;
        return names.relay_code;
    }
    numeric.ai_flags |= AI_NUMERICHOST;
    numeric.ai_family = AF_UNSPEC;
    for (const char *const *address = names.addresses; *address; address++) {
        int code = __real_getaddrinfo(*address, service, &numeric, end);

        if (code != 0)
            return code;
        end = &(*end)->ai_next;
    }
    return 0;
}

static inline int look_up_box(
    const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
    int code;

    __atomic_add_fetch(&names.boxes, 1, __ATOMIC_SEQ_CST);
    if (names.box_hangs)
        hang();
    code = __real_getaddrinfo("127.0.0.1", service, hints, ret);
    if (code == 0 && (*ret)->ai_canonname) {
        free((*ret)->ai_canonname);
        (*ret)->ai_canonname = strdup("box.test");
    }
    return code;
}

int __wrap_getaddrinfo(
    const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
    bool asks = !(hints->ai_flags & AI_NUMERICHOST);

    if (asks && (strcmp(node, "relay.test") == 0 || strcmp(node, "xn--bcher-kva.example") == 0))
        return look_up_relay(service, hints, ret);
    if (asks && strcmp(node, "box") == 0)
        return look_up_box(service, hints, ret);
    if (asks && strcmp(node, "hung.test") == 0)
        hang();
    return __real_getaddrinfo(node, service, hints, ret);
}

int __wrap_gethostname(char *name, size_t size)
{
    ck_assert_uint_gt(size, strlen("box"));
    strcpy(name, "box");
    return 0;
}
