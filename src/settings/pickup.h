/* Directories that programs of other systems write whole messages into: the setting spool.pickup.
 *
 * It is text such as
 *
 *     /srv/pickup; /srv/mailkit, pattern=*.eml, dot_stuffed
 *
 * A semicolon stands between directories, which are absolute paths, and a comma in front of what is
 * said of one. In the file each may be a group as well. A list is never changed, and counted, from
 * any thread; NULL stands for none. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"

#define PICKUP_PATTERN "*.eml"

typedef struct PickupDirectory {
    const char *path, *pattern;
    bool dot_stuffed;
} PickupDirectory;

typedef struct PickupList PickupList;

/* 0 with one reference; -EINVAL with a Failure whose text says what is wrong, to stand behind the
 * quoted text; -ENOMEM. */
int pickup_list_parse(const char *text, PickupList **ret, Failure *f);

/* Both accept NULL; unref returns NULL. */
PickupList *pickup_list_ref(PickupList *list);
PickupList *pickup_list_unref(PickupList *list);

/* As it was parsed; borrowed. */
const char *pickup_list_text(const PickupList *list);

/* Of NULL there are none. Borrowed from the list. */
const PickupDirectory *pickup_list_directories(const PickupList *list, size_t *ret_n);

DEFINE_CLEANUP(PickupList, pickup_list_unref);
