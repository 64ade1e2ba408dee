/* Names of messages to look at next: a bounded queue, first in first out. What does not fit is not
 * lost, it is still in the directory: the owner reads that again later. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

typedef struct Backlog {
    Buffer names; /* tag, length, bytes, one behind the other */
    size_t count;
} Backlog;

#define BACKLOG_BYTES_MAX (256 * 1024)

/* 1 when the name was taken, 0 when there is no room, or -ENOMEM. */
int backlog_push(Backlog *backlog, const char *id, uint8_t tag);

/* 1 with the oldest name in `ret_id` (at least 256 bytes), or 0. */
int backlog_pop(Backlog *backlog, char *ret_id, uint8_t *ret_tag);

/* As backlog_pop(), without taking it: `at`, 0 for the oldest, is moved to the one behind it. */
int backlog_peek(const Backlog *backlog, size_t *at, char *ret_id, uint8_t *ret_tag);

/* True while another name of any length is sure to fit. */
bool backlog_has_room(const Backlog *backlog);

void backlog_done(Backlog *backlog);
