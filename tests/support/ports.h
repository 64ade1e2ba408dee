/* Ports of the loopback interface for the servers of unit tests. Each process has a block of them
 * to itself, which it claims by an abstract socket (that ends with the process and belongs to the
 * same network as ports): nobody takes a port that a test has closed, or is about to listen at.
 * They lie above those of free_port() in process.py, and below those of outgoing connections. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TEST_PORT_FIRST 20000U
#define TEST_PORT_BLOCK 16U
#define TEST_PORT_BLOCKS ((32768U - TEST_PORT_FIRST) / TEST_PORT_BLOCK)

/* The number of a block, which stays claimed; of one that may be another's when all are. */
static inline unsigned test_claim_ports(void)
{
    unsigned first = (unsigned)getpid() % TEST_PORT_BLOCKS;

    for (unsigned i = 0; i < TEST_PORT_BLOCKS; i++) {
        unsigned block = (first + i) % TEST_PORT_BLOCKS;
        struct sockaddr_un name = {.sun_family = AF_UNIX};
        int n = snprintf(
            name.sun_path + 1, sizeof(name.sun_path) - 1, "outbox-unit-test-ports-%u", block);
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
            break;
        if (bind(fd, (const struct sockaddr *)&name,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) == 0)
            return block;
        (void)close(fd);
    }
    return first;
}

/* The next one of this process, round and round: it may be in use here. */
static inline uint16_t test_next_port(void)
{
    static unsigned block = TEST_PORT_BLOCKS, next;

    if (block == TEST_PORT_BLOCKS)
        block = test_claim_ports();
    return (uint16_t)(TEST_PORT_FIRST + block * TEST_PORT_BLOCK + next++ % TEST_PORT_BLOCK);
}
