/* A relay for tests of the queue engine: as many connections at a time as come, each on a thread of
 * its own; it takes every message unless the test says otherwise. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct TestRelay TestRelay;

typedef struct TestCommand {
    unsigned connection; /* 1 for the first that was accepted */
    unsigned message;    /* MAIL commands on it so far */
    const char *line;    /* "" before the greeting, "." at the end of a message's content */
} TestCommand;

/* What to answer: a line such as "450 4.2.0 later", which closes the connection behind it when it
 * starts with 421; "CLOSE" for closing without a word; "HANG" for no answer until the client
 * closes; NULL for the usual. Called from the connections' threads, one at a time. */
typedef const char *(*TestAnswer)(void *user, const TestCommand *command);

/* `extensions` are lines of the reply to EHLO, such as "SIZE 1000", a blank between them ("" for
 * none); PIPELINING is always offered. `answer` may be NULL. On `port`, or any when that is 0. */
TestRelay *test_relay_start(TestAnswer answer, void *user, const char *extensions, uint16_t port);
uint16_t test_relay_port(const TestRelay *relay);

/* Closes every connection, and listens no more. Accepts NULL. */
void test_relay_stop(TestRelay *relay);

/* How often a message for this recipient was taken; with "" how many messages were taken. */
unsigned test_relay_taken(TestRelay *relay, const char *recipient);

unsigned test_relay_connections(TestRelay *relay); /* accepted so far */
unsigned test_relay_most(TestRelay *relay);        /* at a time */
unsigned test_relay_mails(TestRelay *relay);       /* MAIL commands so far */
uint64_t test_relay_bytes(TestRelay *relay);       /* of the content of the last message taken */
