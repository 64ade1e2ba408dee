/* Where the entries of a NameTable are. For table.c alone. */
#pragma once

#include "queue/table_entry.h"

/* The entry of that name, or NULL. */
uint8_t *table_find(const NameTable *t, const char *id, NameKind kind);

/* Takes an entry out; the memory is given back by table_tidy(). */
void table_remove(NameTable *t, uint8_t *e);
void table_tidy(NameTable *t);

/* Adds one that is not there. 1; 0 when there is no room; or -ENOMEM. */
int table_add(
    NameTable *t, const char *id, NameKind kind, unsigned share, uint32_t due, bool ready);
